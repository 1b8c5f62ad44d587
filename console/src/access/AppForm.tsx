import { ActionIcon, Button, Group, Paper, Select, Stack, Text, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { FormModal } from "../ui/FormModal";
import { done } from "../ui/toast";
import { putApp, type App, type Decision, type Policy } from "./access";
import { Rules } from "./Rules";
import { isComplete, ruleOf } from "./rules";
import { useAccessText } from "./strings";

const DECISIONS: Decision[] = ["allow", "deny", "bypass", "non_identity"];
const SESSIONS = ["30m", "6h", "24h", "168h", "720h"] as const;

/** Of a policy, what is sent of it. */
function sent(policy: App["policies"][number]): Policy {
  const { name, decision, include, require, exclude } = policy;
  return { name, decision, include, require, exclude } as Policy;
}

export function AppForm(props: { account: string; present?: App | undefined; onClose: () => void }) {
  const t = useAccessText();
  const { present } = props;
  const fresh: Policy = { name: t("decision.allow"), decision: "allow", include: [ruleOf("everyone", "")], require: [], exclude: [] };
  const [name, setName] = useState(present?.name ?? "");
  const [domain, setDomain] = useState(present?.domain ?? "");
  const [session, setSession] = useState(present?.session_duration ?? "24h");
  const [policies, setPolicies] = useState<Policy[]>(present?.policies.map(sent) ?? [fresh]);
  const known: string[] = [...SESSIONS];
  const sessions = [
    ...SESSIONS.map((value) => ({ value: value as string, label: t(`session.${value}`) })),
    ...(known.includes(session) ? [] : [{ value: session, label: session }]),
  ];
  const change = (at: number, policy: Policy) => setPolicies(policies.map((one, index) => (index === at ? policy : one)));
  const complete = ({ include, require, exclude }: Policy) =>
    include.length > 0 && [...include, ...require, ...exclude].every(isComplete);
  return (
    <FormModal
      title={present === undefined ? t("create") : t("edit", { name: present.name })}
      action={t("save")}
      opened
      onClose={props.onClose}
      ready={name.trim() !== "" && domain.trim() !== "" && policies.every(complete)}
      submit={async () => {
        const app = { name: name.trim(), domain: domain.trim(), session_duration: session, policies };
        await putApp(props.account, app, present?.id);
        done(t("saved", { name: app.name }));
      }}
      size="xl"
    >
      <TextInput label={t("name")} value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
      <TextInput
        label={t("domain")}
        description={t("domain.hint")}
        value={domain}
        onChange={(event) => setDomain(event.currentTarget.value)}
        spellCheck={false}
      />
      <Select
        label={t("session")}
        data={sessions}
        value={session}
        onChange={(to) => setSession(to ?? "24h")}
        allowDeselect={false}
      />
      <Text fw={500}>{t("policies")}</Text>
      {policies.map((policy, at) => (
        <Paper key={at} p="sm">
          <Stack gap="xs">
            <Group gap="xs" align="flex-end" wrap="nowrap">
              <TextInput
                label={t("policy.name")}
                value={policy.name}
                onChange={(event) => change(at, { ...policy, name: event.currentTarget.value })}
                style={{ flex: 1 }}
              />
              <Select
                label={t("decision")}
                data={DECISIONS.map((value) => ({ value, label: t(`decision.${value}`) }))}
                value={policy.decision}
                onChange={(to) => change(at, { ...policy, decision: (to ?? "allow") as Decision })}
                allowDeselect={false}
                style={{ flex: 1 }}
              />
              <ActionIcon
                variant="subtle"
                color="gray"
                size="lg"
                aria-label={t("policy.remove", { number: at + 1 })}
                onClick={() => setPolicies(policies.filter((_, index) => index !== at))}
              >
                <Trash2 size={15} />
              </ActionIcon>
            </Group>
            <Rules label={t("include")} rules={policy.include} change={(include) => change(at, { ...policy, include })} />
            <Rules label={t("require")} rules={policy.require} change={(require) => change(at, { ...policy, require })} />
            <Rules label={t("exclude")} rules={policy.exclude} change={(exclude) => change(at, { ...policy, exclude })} />
          </Stack>
        </Paper>
      ))}
      <Group>
        <Button variant="default" leftSection={<Plus size={14} />} onClick={() => setPolicies([...policies, fresh])}>
          {t("policy.add")}
        </Button>
      </Group>
    </FormModal>
  );
}
