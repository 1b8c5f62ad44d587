import { Badge, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { Eraser, Pause, Play, Search } from "lucide-react";
import { useDeferredValue, useEffect, useMemo, useState, useSyncExternalStore } from "react";

import { count } from "../../ui/format";
import { Failure } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { useOne, type One } from "../one";
import { useWorkersText } from "../strings";
import { Lines } from "./Lines";
import { Tail } from "./live";

const LEVELS = ["all", "error", "warn", "log"] as const;
type Level = (typeof LEVELS)[number];

export function LiveTail() {
  const one = useOne();
  const [tail, setTail] = useState<Tail>();
  const [attempt, setAttempt] = useState(0);
  const { account, worker } = one;
  useEffect(() => {
    const made = new Tail({ account, worker });
    setTail(made);
    return () => made.end();
  }, [account, worker, attempt]);
  if (tail === undefined) return null;
  return <Watched key={attempt} one={one} tail={tail} again={() => setAttempt(attempt + 1)} />;
}

function Watched(props: { one: One; tail: Tail; again: () => void }) {
  const t = useWorkersText();
  const words = useWords();
  const { tail } = props;
  const lines = useSyncExternalStore(tail.subscribe, tail.snapshot);
  const state = useSyncExternalStore(tail.subscribe, () => tail.state);
  const [paused, setPaused] = useState(false);
  const [level, setLevel] = useState<Level>("all");
  const [text, setText] = useState("");
  const needle = useDeferredValue(text.toLowerCase());

  const shown = useMemo(() => {
    if (needle === "" && level === "all") return lines;
    return lines.filter(
      (line) =>
        (level === "all" || line.level === level || (level === "warn" && line.level === "error")) &&
        line.text.toLowerCase().includes(needle),
    );
  }, [lines, needle, level]);

  function pause(to: boolean) {
    tail.pause(to);
    setPaused(to);
  }

  return (
    <Stack gap="sm">
      <Group gap="xs">
        <TextInput
          leftSection={<Search size={14} />}
          placeholder={words("filter")}
          aria-label={words("filter")}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          w={240}
        />
        <Select
          aria-label={t("level")}
          data={LEVELS.map((value) => ({ value, label: t(`level.${value}`) }))}
          value={level}
          onChange={(value) => setLevel((value ?? "all") as Level)}
          allowDeselect={false}
          w={150}
        />
        <Button
          variant="default"
          size="sm"
          leftSection={paused ? <Play size={14} /> : <Pause size={14} />}
          onClick={() => pause(!paused)}
        >
          {paused ? t("tail.resume") : t("tail.pause")}
        </Button>
        <Button variant="default" size="sm" leftSection={<Eraser size={14} />} onClick={() => tail.clear()}>
          {words("clear")}
        </Button>
        <Group gap="xs" ml="auto">
          <Text c="dimmed" fz="sm">
            {words("rows", { count: count(shown.length) === "1" ? 1 : shown.length })}
          </Text>
          <Badge color={state === "open" ? "teal" : state === "connecting" ? "gray" : "red"}>
            {paused ? t("tail.paused") : t(`tail.${state}`)}
          </Badge>
        </Group>
      </Group>
      {tail.error !== undefined && <Failure error={tail.error} retry={props.again} />}
      {state === "closed" && tail.error === undefined && (
        <Group>
          <Text c="dimmed">{t("tail.ended")}</Text>
          <Button variant="default" onClick={props.again}>
            {words("retry")}
          </Button>
        </Group>
      )}
      <Lines label={t("logs.live")} lines={shown} follow={!paused} />
    </Stack>
  );
}
