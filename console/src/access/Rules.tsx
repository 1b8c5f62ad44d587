import { ActionIcon, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";

import { useAccount } from "../app/account";
import { useServiceTokens, type Rule } from "./access";
import { KINDS, kindOf, ruleOf, takesValue, valueOf, type Kind } from "./rules";
import { useAccessText } from "./strings";

/** Rules of which any, all or none has to hold. */
export function Rules(props: { label: string; rules: Rule[]; change: (rules: Rule[]) => void }) {
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
          change={(to) => put(at, to)}
          remove={() => change(rules.filter((_, index) => index !== at))}
        />
      ))}
    </Stack>
  );
}

function OneRule(props: { number: number; rule: Rule; change: (rule: Rule) => void; remove: () => void }) {
  const t = useAccessText();
  const account = useAccount();
  const { data: tokens = [] } = useServiceTokens(account);
  const kind = kindOf(props.rule);
  const value = valueOf(props.rule);
  return (
    <Group gap="xs" wrap="nowrap">
      <Select
        aria-label={t("rule.kind")}
        data={KINDS.map((one) => ({ value: one, label: t(`rule.${one}`) }))}
        value={kind ?? null}
        placeholder={t("rule.other")}
        onChange={(to) => props.change(ruleOf((to ?? "email") as Kind, ""))}
        allowDeselect={false}
        style={{ flex: 1 }}
      />
      {kind === "service_token" && (
        <Select
          aria-label={t("rule.value")}
          data={tokens.map(({ id, name }) => ({ value: id, label: name }))}
          value={value === "" ? null : value}
          onChange={(to) => props.change(ruleOf(kind, to ?? ""))}
          allowDeselect={false}
          style={{ flex: 1 }}
        />
      )}
      {kind !== undefined && kind !== "service_token" && takesValue(kind) && (
        <TextInput
          aria-label={t("rule.value")}
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
