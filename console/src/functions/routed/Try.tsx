// One request to the function by its own API, and what came of it.
import { Badge, Button, Group, Select, Stack, Text, Textarea, TextInput, Title } from "@mantine/core";
import { Play } from "lucide-react";
import { useState } from "react";

import { api, body } from "../../api/client";
import { duration } from "../../ui/format";
import { pretty, Shown } from "../../ui/Shown";
import { Failure } from "../../ui/states";
import classes from "../Desk.module.css";
import { useFunctionsText } from "../strings";
import { METHODS } from "./fields";

interface Answer {
  status: number;
  body?: unknown;
  duration_ms: number;
  cold_start: boolean;
}

export function Try(props: { id: string; stale: boolean }) {
  const t = useFunctionsText();
  const [method, setMethod] = useState("GET");
  const [path, setPath] = useState("");
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Answer>();
  const [error, setError] = useState<unknown>();

  async function call() {
    if (busy) return;
    setBusy(true);
    setError(undefined);
    try {
      const sent = { method, ...(path === "" ? {} : { path }), ...(text === "" ? {} : { body: text as never }) };
      setAnswer((await body(api.POST("/api/functions/{id}/invoke", { params: { path: { id: props.id } }, body: sent }))) as Answer);
    } catch (refused) {
      setAnswer(undefined);
      setError(refused);
    } finally {
      setBusy(false);
    }
  }

  return (
    <aside className={classes.panel} aria-label={t("test")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void call();
        }}
      >
        <Stack gap="sm">
          <Group justify="space-between">
            <Title order={2}>{t("test")}</Title>
            {props.stale && <Badge color="yellow">{t("unsaved")}</Badge>}
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Select aria-label={t("methods")} data={METHODS} value={method} onChange={(to) => setMethod(to ?? method)} allowDeselect={false} w={110} />
            <TextInput aria-label={t("route")} placeholder="/?name=value" value={path} onChange={(event) => setPath(event.currentTarget.value)} flex={1} spellCheck={false} />
          </Group>
          {method !== "GET" && method !== "HEAD" && (
            <Textarea label={t("event")} value={text} onChange={(event) => setText(event.currentTarget.value)} autosize minRows={2} maxRows={8} spellCheck={false} />
          )}
          <div>
            <Button type="submit" leftSection={<Play size={13} />} loading={busy}>
              {t("test.run")}
            </Button>
          </div>
          {error !== undefined && <Failure error={error} />}
          {answer !== undefined && (
            <div role="status">
              <Group gap="xs" mb="xs">
                <Badge color={answer.status < 400 ? "teal" : "red"}>{answer.status}</Badge>
                <Badge>{answer.cold_start ? t("cold") : t("warm")}</Badge>
                <Text fz="sm">{duration(answer.duration_ms)}</Text>
              </Group>
              <Shown label={t("result")} text={pretty(answer.body)} />
            </div>
          )}
        </Stack>
      </form>
    </aside>
  );
}
