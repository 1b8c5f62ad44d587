// One call with an event and a context, and all that is known of it.
import { Badge, Button, Group, Stack, Text, Title } from "@mantine/core";
import { Play } from "lucide-react";
import { useState } from "react";

import { apiOf, body } from "../../api/client";
import { key, queries } from "../../api/query";
import { isJson } from "../../ui/content";
import { Editor } from "../../ui/editor";
import { Failure } from "../../ui/states";
import type { Result } from "../api";
import classes from "../Desk.module.css";
import { useFunctionsText } from "../strings";
import { EVENTS } from "../templates";
import { Outcome } from "./Outcome";

const filled = (text: string) => (text.trim() === "" ? "null" : text);

export function Test(props: { account: string; id: string; stale: boolean }) {
  const t = useFunctionsText();
  const { account, id } = props;
  const [event, setEvent] = useState(EVENTS.hello);
  const [context, setContext] = useState("{}");
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<Result>();
  const [error, setError] = useState<unknown>();
  const ready = isJson(filled(event)) && isJson(filled(context));

  async function call() {
    if (!ready || busy) return;
    setBusy(true);
    setError(undefined);
    try {
      const sent = { event: JSON.parse(filled(event)) as unknown, context: JSON.parse(filled(context)) as Record<string, unknown> | null };
      setResult(await body(apiOf(account).POST("/api/v1/functions/{id}/invoke", { params: { path: { id } }, body: sent })));
      await queries.invalidateQueries({ queryKey: key(account, "functions", "run", id) });
    } catch (refused) {
      setResult(undefined);
      setError(refused);
    } finally {
      setBusy(false);
    }
  }

  return (
    <aside className={classes.panel} aria-label={t("test")}>
      <Stack gap="sm">
        <Group justify="space-between">
          <Title order={2}>{t("test")}</Title>
          {props.stale && <Badge color="yellow">{t("unsaved")}</Badge>}
        </Group>
        <Text fz="sm" fw={500}>
          {t("event")}
        </Text>
        <Editor label={t("event")} language="json" value={event} onChange={setEvent} height="8rem" onSubmit={() => void call()} />
        <Text fz="sm" fw={500}>
          {t("context")}
        </Text>
        <Editor label={t("context")} language="json" value={context} onChange={setContext} height="4.5rem" onSubmit={() => void call()} />
        <Group>
          <Button leftSection={<Play size={13} />} onClick={() => void call()} loading={busy} disabled={!ready}>
            {t("test.run")}
          </Button>
          <Text fz="sm" c={ready ? "dimmed" : "var(--bad)"}>
            {ready ? t("test.hint") : t("json.bad")}
          </Text>
        </Group>
        {error !== undefined && <Failure error={error} />}
        {result !== undefined && (
          <div role="status">
            <Outcome call={result} />
          </div>
        )}
      </Stack>
    </aside>
  );
}
