import { Badge, Button, Group, Text } from "@mantine/core";
import { useRouter } from "@tanstack/react-router";

import { api, body } from "../api/client";
import { queries } from "../api/query";
import { useAsked } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { Section } from "../ui/Page";
import { Loaded } from "../ui/states";
import { done, failed } from "../ui/toast";
import { changed, useSessions } from "./account";
import { browserOf } from "./agent";
import { useMeText } from "./strings";

type Listed = NonNullable<ReturnType<typeof useSessions>["data"]>[number];

export function Sessions() {
  const t = useMeText();
  const asked = useAsked();
  const router = useRouter();
  const sessions = useSessions();
  const named = ({ agent }: Pick<Listed, "agent">) => browserOf(agent) || t("sessions.unknown");

  async function end(session: Listed) {
    try {
      await body(api.DELETE("/api/sessions/{session}", { params: { path: { session: session.id } } }));
      await changed();
      done(t("sessions.ended"));
    } catch (error) {
      failed(error);
    }
  }

  async function endAll() {
    const question = { title: t("sessions.all"), lost: t("sessions.all.lost"), action: t("sessions.all") };
    await asked(question, async () => {
      await body(api.DELETE("/api/sessions"));
      queries.clear();
      await router.invalidate();
      await router.navigate({ to: "/sign-in", search: {} });
    });
  }

  const columns: Column<Listed>[] = [
    {
      id: "agent",
      header: t("sessions.agent"),
      cell: (row) => (
        <Group gap="xs" wrap="nowrap">
          <Text className="cut">{named(row)}</Text>
          {row.current && <Badge>{t("sessions.current")}</Badge>}
        </Group>
      ),
      value: named,
    },
    { id: "address", header: t("sessions.address"), cell: ({ address }) => address, value: ({ address }) => address, wide: true },
    {
      id: "seen",
      header: t("sessions.seen"),
      cell: ({ seen_on: when }) => <Text c="dimmed">{ago(when)}</Text>,
      value: ({ seen_on: when }) => when,
      width: "10rem",
      wide: true,
    },
    {
      id: "end",
      header: "",
      width: "6rem",
      align: "end",
      cell: (row) =>
        row.current ? null : (
          <Button
            variant="subtle"
            color="gray"
            aria-label={t("sessions.endOf", { agent: named(row) })}
            onClick={() => void end(row)}
          >
            {t("sessions.end")}
          </Button>
        ),
    },
  ];
  return (
    <Section
      title={t("sessions")}
      actions={
        <Button variant="default" onClick={() => void endAll()}>
          {t("sessions.all")}
        </Button>
      }
    >
      <Loaded query={sessions}>
        {(rows) => (
          <DataTable
            label={t("sessions")}
            columns={columns}
            rows={rows}
            rowKey={({ id }) => id}
            sort={{ id: "seen", down: true }}
          />
        )}
      </Loaded>
    </Section>
  );
}
