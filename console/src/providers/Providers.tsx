import { Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";

import { useAccounts, useOperator } from "../api/session";
import { Commands, Snippet } from "../ui/Commands";
import { useAsked } from "../ui/confirm";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { ProviderForm } from "./ProviderForm";
import { providersQuery, replaceOne, type Provider, type Rule } from "./providers";
import { useProvidersText } from "./strings";

export function Providers() {
  const t = useProvidersText();
  const providers = useQuery(providersQuery);
  const operator = useOperator();
  // Undefined: no form; null: of a new one.
  const [editing, setEditing] = useState<Provider | null>();
  const add = (
    <Button leftSection={<Plus size={14} />} onClick={() => setEditing(null)}>
      {t("add")}
    </Button>
  );
  return (
    <Page title={t("title")} text={t("text")} actions={operator && add}>
      <Loaded query={providers}>
        {(all) => (
          <>
            {all.length === 0 && <Empty icon={KeyRound} title={t("empty.title")} text={t("empty.text")} />}
            {all.map((one) => (
              <One key={one.id} provider={one} all={all} edit={() => setEditing(one)} />
            ))}
            <ProviderForm
              key={editing?.id ?? String(editing)}
              all={all}
              present={editing ?? undefined}
              opened={editing !== undefined}
              onClose={() => setEditing(undefined)}
            />
          </>
        )}
      </Loaded>
      <Commands
        lines={[
          'curl -H "Authorization: Bearer $TOKEN" -X PUT $HEARTH/api/signin/providers -H "Content-Type: application/json" \\',
          `  -d '{"providers":[{"id":"corp","name":"Corp","issuer":"https://id.corp.test","client_id":"hearth","client_secret":"…","group_claim":"groups","mapping":[{"group":"platform","operator":true}]}]}'`,
        ]}
      />
    </Page>
  );
}

function One(props: { provider: Provider; all: Provider[]; edit: () => void }) {
  const t = useProvidersText();
  const words = useWords();
  const asked = useAsked();
  const { id, name, issuer, redirect_uri: redirect, mapping } = props.provider;

  async function remove() {
    const question = { title: t("remove", { name }), lost: t("remove.lost", { name }), action: t("remove.action") };
    await asked(question, async () => {
      await replaceOne(props.all, id);
    });
  }

  return (
    <Paper p="md">
      <Stack gap="sm">
        <Group justify="space-between" gap="xs">
          <div>
            <Title order={2}>{name}</Title>
            <Text c="dimmed" className="mono">
              {issuer}
            </Text>
          </div>
          <Group gap="xs">
            <Button variant="default" onClick={props.edit} aria-label={t("edit", { name })}>
              {words("edit")}
            </Button>
            <Button variant="default" onClick={() => void remove()} aria-label={t("remove", { name })}>
              {words("delete")}
            </Button>
          </Group>
        </Group>
        <div>
          <Text fz="sm" c="dimmed">
            {t("redirect")}
          </Text>
          <Snippet text={redirect} label={t("redirect.label")} />
        </div>
        <Mapping rules={mapping} />
      </Stack>
    </Paper>
  );
}

function Mapping({ rules }: { rules: Rule[] }) {
  const t = useProvidersText();
  const { data: accounts } = useAccounts();
  if (rules.length === 0) return <Text c="dimmed">{t("mapping.none")}</Text>;
  const nameOf = (id: string | undefined) => accounts?.find((account) => account.id === id)?.name ?? id ?? "";
  return (
    <Stack gap={4}>
      {rules.map((rule, at) => (
        <Group key={at} gap="xs">
          <Text className="mono" fw={500}>
            {rule.group}
          </Text>
          <Text c="dimmed">→</Text>
          <Text>
            {rule.operator === true
              ? t("operator")
              : t("as.role", { role: t(`role.${rule.role ?? "viewer"}`), account: nameOf(rule.account) })}
          </Text>
        </Group>
      ))}
    </Stack>
  );
}
