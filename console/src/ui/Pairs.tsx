// Names and values to edit: variables of an environment, metadata of an object.
import { ActionIcon, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { Plus, X } from "lucide-react";

import { useWords } from "./strings";

export interface Pair {
  name: string;
  value: string;
}

export function pairsOf(record: Readonly<Record<string, unknown>> | null | undefined): Pair[] {
  return Object.entries(record ?? {}).map(([name, value]) => ({ name, value: String(value) }));
}

/** Pairs without a name are left out. */
export function recordOf(pairs: readonly Pair[]): Record<string, string> {
  return Object.fromEntries(pairs.filter(({ name }) => name.trim() !== "").map(({ name, value }) => [name.trim(), value]));
}

export function Pairs(props: {
  label: string;
  pairs: Pair[];
  onChange: (pairs: Pair[]) => void;
  nameLabel: string;
  valueLabel: string;
  text?: string;
}) {
  const t = useWords();
  const { pairs, onChange } = props;
  const change = (at: number, part: Partial<Pair>) =>
    onChange(pairs.map((pair, index) => (index === at ? { ...pair, ...part } : pair)));
  return (
    <Stack gap={6} role="group" aria-label={props.label}>
      <div>
        <Text fz="sm" fw={500}>
          {props.label}
        </Text>
        {props.text !== undefined && (
          <Text fz="xs" c="dimmed">
            {props.text}
          </Text>
        )}
      </div>
      {pairs.map((pair, at) => (
        <Group key={at} gap={6} wrap="nowrap">
          <TextInput
            flex={2}
            aria-label={`${props.nameLabel} ${at + 1}`}
            placeholder={props.nameLabel}
            value={pair.name}
            onChange={(event) => change(at, { name: event.currentTarget.value })}
            spellCheck={false}
            autoComplete="off"
          />
          <TextInput
            flex={3}
            aria-label={`${props.valueLabel} ${at + 1}`}
            placeholder={props.valueLabel}
            value={pair.value}
            onChange={(event) => change(at, { value: event.currentTarget.value })}
            spellCheck={false}
            autoComplete="off"
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`${t("delete")} ${pair.name}`}
            onClick={() => onChange(pairs.filter((_, index) => index !== at))}
          >
            <X size={14} />
          </ActionIcon>
        </Group>
      ))}
      <div>
        <Button
          variant="default"
          leftSection={<Plus size={13} />}
          onClick={() => onChange([...pairs, { name: "", value: "" }])}
        >
          {t("add")}
        </Button>
      </div>
    </Stack>
  );
}
