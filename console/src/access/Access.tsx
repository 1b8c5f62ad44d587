import { Badge, Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { Plus, ShieldCheck } from "lucide-react";
import { useState } from "react";

import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { Commands } from "../ui/Commands";
import { useAsked } from "../ui/confirm";
import { Page, Section } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done } from "../ui/toast";
import { removeApp, signOutOf, useApps, type App, type Rule } from "./access";
import { AppForm } from "./AppForm";
import { Groups } from "./Groups";
import { RuleText } from "./RuleText";
import { ServiceTokens } from "./ServiceTokens";
import { useAccessText } from "./strings";

const COLORS = { allow: "teal", deny: "red", bypass: "yellow", non_identity: "blue" } as const;

export function Access() {
  const t = useAccessText();
  const account = useAccount();
  const apps = useApps(account);
  const may = useMay("access");
  // Undefined: no form; null: of a new one.
  const [editing, setEditing] = useState<App | null>();
  const create = (
    <Button leftSection={<Plus size={14} />} onClick={() => setEditing(null)}>
      {t("create")}
    </Button>
  );
  return (
    <Page title={t("title")} text={t("text")} actions={may && create}>
      <Section title={t("apps")} text={t("apps.text")}>
        <Loaded query={apps}>
          {(all) =>
            all.length === 0 ? (
              <Empty icon={ShieldCheck} title={t("empty.title")} text={t("empty.text")} />
            ) : (
              <Stack gap="sm">
                {all.map((app) => (
                  <One key={app.id} account={account} app={app} may={may} edit={() => setEditing(app)} />
                ))}
              </Stack>
            )
          }
        </Loaded>
      </Section>
      <Groups account={account} may={may} />
      <ServiceTokens account={account} may={may} />
      <Commands
        lines={[
          `curl -H "Authorization: Bearer $TOKEN" $HEARTH/client/v4/accounts/${account}/access/apps`,
          'curl https://admin.apps.corp.test/ -H "CF-Access-Client-Id: $ID" -H "CF-Access-Client-Secret: $SECRET"',
        ]}
      />
      {editing !== undefined && (
        <AppForm account={account} present={editing ?? undefined} onClose={() => setEditing(undefined)} />
      )}
    </Page>
  );
}

function One(props: { account: string; app: App; may: boolean; edit: () => void }) {
  const t = useAccessText();
  const words = useWords();
  const asked = useAsked();
  const { account, app } = props;
  const { id, name, domain } = app;

  async function remove() {
    const question = { title: t("remove", { name }), lost: t("remove.lost", { domain }), action: t("remove.action") };
    await asked(question, async () => {
      await removeApp(account, id);
    });
  }

  async function signOut() {
    const question = { title: t("signOut.of", { name }), lost: t("signOut.lost", { name }), action: t("signOut") };
    await asked(question, async () => {
      await signOutOf(account, id);
      done(t("signedOut", { name }));
    });
  }

  return (
    <Paper p="md">
      <Stack gap="sm">
        <Group justify="space-between" gap="xs">
          <div>
            <Title order={3}>{name}</Title>
            <Text c="dimmed" className="mono">
              {app.self_hosted_domains.join(", ")}
            </Text>
          </div>
          {props.may && (
            <Group gap="xs">
              <Button variant="default" onClick={() => void signOut()} aria-label={t("signOut.of", { name })}>
                {t("signOut")}
              </Button>
              <Button variant="default" onClick={props.edit} aria-label={t("edit", { name })}>
                {words("edit")}
              </Button>
              <Button variant="default" onClick={() => void remove()} aria-label={t("remove", { name })}>
                {words("delete")}
              </Button>
            </Group>
          )}
        </Group>
        {app.policies.map((policy) => (
          <Group key={policy.id} gap="xs">
            <Badge color={COLORS[policy.decision]} c="var(--mantine-color-text)">
              {t(`decision.${policy.decision}`)}
            </Badge>
            <Text>
              {(policy.include as Rule[]).map((rule) => <RuleText key={JSON.stringify(rule)} rule={rule} />)}
            </Text>
          </Group>
        ))}
      </Stack>
    </Paper>
  );
}
