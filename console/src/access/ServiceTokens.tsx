import { Button, Group, Modal, Paper, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState } from "react";

import { useAsked } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { NameForm } from "../ui/NameForm";
import { Once } from "../ui/Once";
import { Section } from "../ui/Page";
import { Loaded } from "../ui/states";
import { createToken, removeToken, rotateToken, useServiceTokens, type Secret, type ServiceToken } from "./access";
import { useAccessText } from "./strings";

export function ServiceTokens({ account, may }: { account: string; may: boolean }) {
  const t = useAccessText();
  const asked = useAsked();
  const tokens = useServiceTokens(account);
  const [open, form] = useDisclosure();
  const [secret, setSecret] = useState<Secret>();

  async function rotate(token: ServiceToken) {
    const who = { name: token.name };
    const question = { title: t("tokens.rotate.of", who), lost: t("tokens.rotate.lost", who), action: t("tokens.rotate") };
    await asked(question, async () => {
      setSecret(await rotateToken(account, token.id));
    });
  }

  async function remove(token: ServiceToken) {
    const who = { name: token.name };
    const question = { title: t("tokens.remove", who), lost: t("tokens.remove.lost", who), action: t("tokens.remove.action") };
    await asked(question, async () => {
      await removeToken(account, token.id);
    });
  }

  const columns: Column<ServiceToken>[] = [
    { id: "name", header: t("name"), cell: (row) => row.name, value: (row) => row.name },
    { id: "client", header: t("client"), wide: true, cell: ({ client_id: id }) => <span className="mono">{id}</span> },
    {
      id: "expires",
      header: t("tokens.expires"),
      wide: true,
      width: "8rem",
      cell: ({ expires_at: when }) => <Text c="dimmed">{ago(when)}</Text>,
    },
    {
      id: "actions",
      header: "",
      width: "11rem",
      align: "end",
      cell: (row) => may && (
        <Group gap={4} justify="flex-end" wrap="nowrap">
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            aria-label={t("tokens.rotate.of", { name: row.name })}
            onClick={() => void rotate(row)}
          >
            {t("tokens.rotate")}
          </Button>
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            aria-label={t("tokens.remove", { name: row.name })}
            onClick={() => void remove(row)}
          >
            {t("tokens.remove.action")}
          </Button>
        </Group>
      ),
    },
  ];
  return (
    <Section
      title={t("tokens")}
      text={t("tokens.text")}
      actions={
        may && (
          <Button variant="default" onClick={form.open}>
            {t("tokens.create")}
          </Button>
        )
      }
    >
      <Loaded query={tokens} rows={2}>
        {(rows) =>
          rows.length === 0 ? (
            <Paper p="md">
              <Text c="dimmed">{t("tokens.none")}</Text>
            </Paper>
          ) : (
            <DataTable label={t("tokens")} columns={columns} rows={rows} rowKey={({ id }) => id} />
          )
        }
      </Loaded>
      <NameForm
        title={t("tokens.create")}
        action={t("tokens.create")}
        opened={open}
        onClose={form.close}
        label={t("name")}
        submit={async (name) => setSecret(await createToken(account, name))}
      />
      <Modal
        opened={secret !== undefined}
        onClose={() => setSecret(undefined)}
        title={<Text fw={600}>{t("tokens.once", { name: secret?.name ?? "" })}</Text>}
        withCloseButton={false}
        closeOnClickOutside={false}
        closeOnEscape={false}
        size="lg"
      >
        {secret !== undefined && (
          <Stack>
            <Once
              text={`CF-Access-Client-Id: ${secret.client_id}\nCF-Access-Client-Secret: ${secret.client_secret}`}
              label={t("tokens.once", { name: secret.name })}
              warning={t("tokens.warning")}
            />
            <Group justify="flex-end">
              <Button onClick={() => setSecret(undefined)}>{t("tokens.done")}</Button>
            </Group>
          </Stack>
        )}
      </Modal>
    </Section>
  );
}
