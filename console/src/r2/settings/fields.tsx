// Fields that several of the forms have.
import { Badge, Group, NumberInput, Select, Switch, TextInput } from "@mantine/core";

import { useWords } from "../../ui/strings";
import { useSettingsText } from "./strings";
import type { When } from "./rules";

export function State({ on }: { on: boolean }) {
  const words = useWords();
  return <Badge color={on ? "teal" : "gray"}>{on ? words("on") : words("off")}</Badge>;
}

/** A rule's name, its keys, and whether it is on. */
export function Common(props: {
  value: { id: string; prefix: string; enabled: boolean };
  onChange: (part: { id?: string; prefix?: string; enabled?: boolean }) => void;
  /** A name that is given stays. */
  named: boolean;
}) {
  const t = useSettingsText();
  const { value, onChange } = props;
  return (
    <>
      <TextInput
        label={t("name")}
        description={t("name.text")}
        value={value.id}
        onChange={(event) => onChange({ id: event.currentTarget.value })}
        disabled={props.named}
        data-autofocus={!props.named}
        autoComplete="off"
        spellCheck={false}
      />
      <TextInput
        label={t("prefix")}
        description={t("prefix.text")}
        placeholder="logs/"
        value={value.prefix}
        onChange={(event) => onChange({ prefix: event.currentTarget.value })}
        autoComplete="off"
        spellCheck={false}
      />
      <Switch label={t("enabled")} checked={value.enabled} onChange={(event) => onChange({ enabled: event.currentTarget.checked })} />
    </>
  );
}

/** Never, after days, or from a day on, each by its own words. */
export function WhenField(props: { label: string; words: Record<When["kind"], string>; value: When; onChange: (value: When) => void }) {
  const t = useSettingsText();
  const { label, value, onChange } = props;
  return (
    <Group gap="xs" align="flex-end" grow preventGrowOverflow={false}>
      <Select
        label={label}
        data={(["none", "age", "date"] as const).map((kind) => ({ value: kind, label: props.words[kind] }))}
        value={value.kind}
        onChange={(kind) => onChange({ ...value, kind: kind as When["kind"] })}
        allowDeselect={false}
      />
      {value.kind === "age" && (
        <NumberInput
          aria-label={t("days", { what: label })}
          value={value.days}
          onChange={(days) => onChange({ ...value, days })}
          min={0}
          maw={120}
        />
      )}
      {value.kind === "date" && (
        <TextInput
          type="date"
          aria-label={t("day", { what: label })}
          value={value.date.slice(0, 10)}
          onChange={(event) => {
            const day = event.currentTarget.value;
            onChange({ ...value, date: day === "" ? "" : `${day}T00:00:00Z` });
          }}
          maw={170}
        />
      )}
    </Group>
  );
}
