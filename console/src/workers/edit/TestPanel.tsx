// Sends a request to the worker and shows what came back, what was logged, and how long it took.
import { Button, Group, Select, Stack, Tabs, Text, Textarea, TextInput, Title } from "@mantine/core";
import { Send } from "lucide-react";
import { useEffect, useState, useSyncExternalStore, type FormEvent } from "react";

import { api, result } from "../../api/client";
import { bytes, duration } from "../../ui/format";
import { Failure } from "../../ui/states";
import { Lines } from "../logs/Lines";
import type { Line } from "../logs/lines";
import { Tail } from "../logs/live";
import type { One } from "../one";
import { useWorkersText } from "../strings";
import classes from "./Edit.module.css";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

interface Answer {
  status: number;
  headers: string[][];
  body_base64: string;
  body_bytes: number;
  truncated: boolean;
  duration_ms: number;
}

/** `Name: value` lines as pairs. */
function headersOf(text: string): [string, string][] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => {
      const at = line.indexOf(":");
      return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    });
}

/** The body as text, JSON in lines; none where it is no text. */
function readable(answer: Answer): string | undefined {
  const raw = Uint8Array.from(atob(answer.body_base64), (letter) => letter.charCodeAt(0));
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: !answer.truncated }).decode(raw);
  } catch {
    return undefined;
  }
  const type = answer.headers.find(([name]) => name === "content-type")?.[1] ?? "";
  if (type.includes("json")) {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // It says that it is JSON, and is not.
    }
  }
  return text;
}

const none = (): readonly Line[] => EMPTY;
const EMPTY: readonly Line[] = [];
const unsubscribed = () => () => {};

export function TestPanel(props: { one: One; stale: boolean }) {
  const t = useWorkersText();
  const { account, worker } = props.one;
  const [method, setMethod] = useState("GET");
  const [path, setPath] = useState("/");
  const [headers, setHeaders] = useState("");
  const [text, setText] = useState("");
  const [answer, setAnswer] = useState<Answer>();
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const [since, setSince] = useState(0);
  const [tail, setTail] = useState<Tail>();
  useEffect(() => {
    const made = new Tail({ account, worker });
    setTail(made);
    return () => made.end();
  }, [account, worker]);
  const lines = useSyncExternalStore(tail?.subscribe ?? unsubscribed, tail?.snapshot ?? none);
  const said = lines.filter(({ at }) => at >= since && since > 0);

  async function send(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    setSince(Date.now() - 5);
    try {
      const wanted = { method, path, headers: headersOf(headers), ...(text === "" ? {} : { body: text }) };
      setAnswer(
        await result(
          api.POST("/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/request", {
            params: { path: props.one },
            body: wanted,
          }),
        ),
      );
    } catch (fault) {
      setAnswer(undefined);
      setError(fault);
    } finally {
      setBusy(false);
    }
  }

  const shown = answer === undefined ? undefined : readable(answer);
  return (
    <aside className={classes.panel} aria-label={t("test")}>
      <Stack gap="sm">
        <Title order={2}>{t("test")}</Title>
        <form onSubmit={(event) => void send(event)}>
          <Stack gap="xs">
            <Group gap="xs" wrap="nowrap">
              <Select aria-label={t("test.method")} data={METHODS} value={method} onChange={(to) => setMethod(to ?? method)} allowDeselect={false} w={110} />
              <TextInput
                aria-label={t("test.path")}
                value={path}
                onChange={(event) => setPath(event.currentTarget.value)}
                flex={1}
                spellCheck={false}
                className="mono"
              />
              <Button type="submit" size="sm" loading={busy} leftSection={<Send size={14} />}>
                {t("test.send")}
              </Button>
            </Group>
            <Textarea
              label={t("test.headers")}
              placeholder="Accept: application/json"
              value={headers}
              onChange={(event) => setHeaders(event.currentTarget.value)}
              autosize
              minRows={1}
              maxRows={5}
              spellCheck={false}
            />
            {method !== "GET" && method !== "HEAD" && (
              <Textarea
                label={t("test.body")}
                value={text}
                onChange={(event) => setText(event.currentTarget.value)}
                autosize
                minRows={2}
                maxRows={8}
                spellCheck={false}
              />
            )}
          </Stack>
        </form>
        {props.stale && (
          <Text c="dimmed" fz="sm">
            {t("test.stale")}
          </Text>
        )}
        {error !== undefined && <Failure error={error} />}
        {answer !== undefined && (
          <div role="status">
            <Group gap="md" mb="xs">
              <span className={classes.status} data-bad={answer.status >= 400 || undefined}>
                {answer.status}
              </span>
              <span>{duration(answer.duration_ms)}</span>
              <Text c="dimmed">{bytes(answer.body_bytes)}</Text>
            </Group>
            <Tabs defaultValue="body">
              <Tabs.List mb="xs">
                <Tabs.Tab value="body">{t("test.answer")}</Tabs.Tab>
                <Tabs.Tab value="headers">{t("test.headers")}</Tabs.Tab>
                <Tabs.Tab value="logs">{t("test.logs", { count: said.length })}</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="body">
                <pre className={classes.answer} tabIndex={0} aria-label={t("test.answer")}>
                  {shown ?? t("test.binary")}
                </pre>
                {answer.truncated && <Text c="dimmed">{t("test.truncated")}</Text>}
              </Tabs.Panel>
              <Tabs.Panel value="headers">
                <pre className={classes.answer} tabIndex={0} aria-label={t("test.headers")}>
                  {answer.headers.map(([name, value]) => `${name}: ${value}`).join("\n")}
                </pre>
              </Tabs.Panel>
              <Tabs.Panel value="logs" className={classes.logs}>
                <Lines label={t("tab.logs")} lines={said} />
              </Tabs.Panel>
            </Tabs>
          </div>
        )}
      </Stack>
    </aside>
  );
}
