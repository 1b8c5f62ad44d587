import { ActionIcon, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";

import { useAccount } from "../app/account";
import { useGroups, useServiceTokens, type Rule } from "./access";
import { KINDS, kindOf, ruleOf, takesValue, valueOf, type Kind } from "./rules";
import { useAccessText } from "./strings";

/** Rules of which any, all or none has to hold. */
export function Rules(props: { label: string; rules: Rule[]; kinds?: readonly Kind[]; change: (rules: Rule[]) => void }) {
  const t = useAccessText();
  const { rules, change } = props;
  const put = (at: number, rule: Rule) => change(rules.map((one, index) => (index === at ? rule : one)));
  return (
    <Stack gap={6} role="group" aria-label={props.label}>
      <Group justify="space-between">
        <Text fz="sm" fw={500}>
          {props.label}
        </Text>
        <Button
          size="compact-xs"
          variant="subtle"
          color="gray"
          leftSection={<Plus size={12} />}
          onClick={() => change([...rules, ruleOf("email", "")])}
          aria-label={`${t("rule.add")}: ${props.label}`}
        >
          {t("rule.add")}
        </Button>
      </Group>
      {rules.map((rule, at) => (
        <OneRule
          key={at}
          number={at + 1}
          rule={rule}
          kinds={props.kinds ?? KINDS}
          change={(to) => put(at, to)}
          remove={() => change(rules.filter((_, index) => index !== at))}
        />
      ))}
    </Stack>
  );
}

interface OneProps {
  number: number;
  rule: Rule;
  kinds: readonly Kind[];
  change: (rule: Rule) => void;
  remove: () => void;
}

function OneRule(props: OneProps) {
  const t = useAccessText();
  const account = useAccount();
  const { data: tokens = [] } = useServiceTokens(account);
  const { data: groups = [] } = useGroups(account);
  // Kinds whose value is one of what there is.
  const known = { service_token: tokens, group: groups };
  const kind = kindOf(props.rule);
  const value = valueOf(props.rule);
  const choice = kind === "service_token" || kind === "group" ? known[kind] : undefined;
  return (
    <Group gap="xs" wrap="nowrap">
      <Select
        aria-label={t("rule.kind")}
        data={props.kinds.map((one) => ({ value: one, label: t(`rule.${one}`) }))}
        value={kind ?? null}
        placeholder={t("rule.other")}
        onChange={(to) => props.change(ruleOf((to ?? "email") as Kind, ""))}
        allowDeselect={false}
        style={{ flex: 1 }}
      />
      {kind !== undefined && choice !== undefined && (
        <Select
          aria-label={t("rule.value")}
          data={choice.map(({ id, name }) => ({ value: id, label: name }))}
          value={value === "" ? null : value}
          onChange={(to) => props.change(ruleOf(kind, to ?? ""))}
          allowDeselect={false}
          style={{ flex: 1 }}
        />
      )}
      {kind !== undefined && choice === undefined && takesValue(kind) && (
        <TextInput
          aria-label={t("rule.value")}
          placeholder={kind === "geo" ? "DE" : undefined}
          value={value}
          onChange={(event) => props.change(ruleOf(kind, event.currentTarget.value))}
          spellCheck={false}
          style={{ flex: 1 }}
        />
      )}
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label={t("rule.remove", { number: props.number })}
        onClick={props.remove}
      >
        <Trash2 size={15} />
      </ActionIcon>
    </Group>
  );
}
