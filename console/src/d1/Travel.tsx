import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { History, Undo2 } from "lucide-react";
import { useState } from "react";

import { useMay } from "../app/rights";
import { Commands, Snippet } from "../ui/Commands";
import { useConfirm } from "../ui/confirm";
import { moment } from "../ui/format";
import { Failure, Loaded } from "../ui/states";
import { done } from "../ui/toast";
import { bookmarkQuery, restore } from "./api";
import { useD1Text } from "./strings";

export function Travel(props: { account: string; database: string; name: string }) {
  const t = useD1Text();
  const confirm = useConfirm();
  const { account, database, name } = props;
  const may = useMay("d1");
  const present = useQuery(bookmarkQuery(account, database));
  const [when, setWhen] = useState("");
  const [mark, setMark] = useState("");
  const [before, setBefore] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  async function go(to: { bookmark: string } | { timestamp: string }, said: string) {
    const yes = await confirm({
      title: t("travel.title", { name }),
      lost: t("travel.lost", { when: said }),
      action: t("travel.action"),
    });
    if (!yes) return;
    setBusy(true);
    setError(undefined);
    try {
      setBefore(await restore(account, database, to));
      done(t("travel.done"));
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  }

  const given = mark.trim();
  const ready = given !== "" || when !== "";
  const start = () =>
    given === ""
      ? go({ timestamp: new Date(when).toISOString() }, moment(when))
      : go({ bookmark: given }, t("travel.at", { bookmark: given }));
  return (
    <Stack maw={680}>
      <Text c="dimmed">{t("travel.text")}</Text>
      {before !== undefined && (
        <Alert color="gray" variant="light">
          <Group justify="space-between" gap="xs">
            <span style={{ overflowWrap: "anywhere" }}>{t("travel.before", { bookmark: before })}</span>
            <Button
              variant="default"
              leftSection={<Undo2 size={13} />}
              loading={busy}
              onClick={() => void go({ bookmark: before }, t("travel.at", { bookmark: before })).then(() => setBefore(undefined))}
            >
              {t("travel.undo")}
            </Button>
          </Group>
        </Alert>
      )}
      {may && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (ready) void start();
          }}
        >
          <Stack gap="sm">
            <TextInput
              type="datetime-local"
              step={1}
              label={t("travel.when")}
              value={when}
              onChange={(event) => setWhen(event.currentTarget.value)}
              disabled={given !== ""}
            />
            <TextInput
              label={t("travel.bookmark")}
              value={mark}
              onChange={(event) => setMark(event.currentTarget.value)}
              classNames={{ input: "mono" }}
              spellCheck={false}
              autoComplete="off"
            />
            {error !== undefined && <Failure error={error} compact />}
            <div>
              <Button type="submit" leftSection={<History size={13} />} disabled={!ready} loading={busy}>
                {t("travel.restore")}
              </Button>
            </div>
          </Stack>
        </form>
      )}
      <div>
        <Text fz="sm" fw={500} mb={4}>
          {t("travel.now")}
        </Text>
        <Loaded query={present} rows={1}>
          {(text) => <Snippet text={text} label={t("travel.now")} />}
        </Loaded>
        <Text fz="sm" c="dimmed" mt={4}>
          {t("travel.copy")}
        </Text>
      </div>
      <Commands
        lines={[`npx wrangler d1 time-travel info ${name}`, `npx wrangler d1 time-travel restore ${name} --timestamp 2026-11-30T12:00:00Z`]}
      />
    </Stack>
  );
}
