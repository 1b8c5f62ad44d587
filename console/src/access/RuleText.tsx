import { Text } from "@mantine/core";

import { useAccount } from "../app/account";
import { useGroups, type Rule } from "./access";
import { kindOf, valueOf } from "./rules";
import { useAccessText } from "./strings";

/** A rule in words. */
export function RuleText({ rule }: { rule: Rule }) {
  const t = useAccessText();
  const account = useAccount();
  const { data: groups = [] } = useGroups(account);
  const kind = kindOf(rule);
  const value = valueOf(rule);
  return (
    <Text span mr="sm">
      {kind === undefined ? t("rule.other") : t(`rule.${kind}`)}{" "}
      <Text span c="dimmed" className="mono">
        {kind === "group" ? (groups.find(({ id }) => id === value)?.name ?? value) : value}
      </Text>
    </Text>
  );
}
