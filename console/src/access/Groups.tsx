import { Button, Group, Paper, Stack, Text, TextInput, Title } from "@mantine/core";
import { Plus } from "lucide-react";
import { useState } from "react";

import { useAsked } from "../ui/confirm";
import { FormModal } from "../ui/FormModal";
import { Section } from "../ui/Page";
import { Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done } from "../ui/toast";
import { putGroup, removeGroup, useGroups, type AccessGroup, type Rule } from "./access";
import { Rules } from "./Rules";
import { RuleText } from "./RuleText";
import { isComplete, KINDS_OF_GROUPS, ruleOf } from "./rules";
import { useAccessText } from "./strings";

/** Rules that have a name, for policies to ask. */
export function Groups({ account, may }: { account: string; may: boolean }) {
  const t = useAccessText();
  const words = useWords();
  const asked = useAsked();
  const groups = useGroups(account);
  // Undefined: no form; null: of a new one.
  const [editing, setEditing] = useState<AccessGroup | null>();

  async function remove({ id, name }: AccessGroup) {
    const question = { title: t("remove", { name }), lost: t("groups.lost", { name }), action: t("groups.remove") };
    await asked(question, async () => {
      await removeGroup(account, id);
    });
  }

  return (
    <Section
      title={t("groups")}
      text={t("groups.text")}
      actions={
        may && (
          <Button variant="default" leftSection={<Plus size={14} />} onClick={() => setEditing(null)}>
            {t("groups.create")}
          </Button>
        )
      }
    >
      <Loaded query={groups} rows={2}>
          {(all) =>
            all.length === 0 ? (
              <Paper p="md">
                <Text c="dimmed">{t("groups.none")}</Text>
              </Paper>
            ) : (
              <Stack gap="sm">
                {all.map((group) => (
                  <Paper key={group.id} p="md">
                    <Group justify="space-between" gap="xs">
                      <div>
                        <Title order={3}>{group.name}</Title>
                        {(group.include as Rule[]).map((rule) => (
                          <RuleText key={JSON.stringify(rule)} rule={rule} />
                        ))}
                      </div>
                      {may && (
                        <Group gap="xs">
                          <Button variant="default" onClick={() => setEditing(group)} aria-label={t("edit", { name: group.name })}>
                            {words("edit")}
                          </Button>
                          <Button
                            variant="default"
                            onClick={() => void remove(group)}
                            aria-label={t("remove", { name: group.name })}
                          >
                            {words("delete")}
                          </Button>
                        </Group>
                      )}
                    </Group>
                  </Paper>
                ))}
              </Stack>
            )
          }
      </Loaded>
      {editing !== undefined && (
        <GroupForm account={account} present={editing ?? undefined} onClose={() => setEditing(undefined)} />
      )}
    </Section>
  );
}

function GroupForm(props: { account: string; present?: AccessGroup | undefined; onClose: () => void }) {
  const t = useAccessText();
  const { present } = props;
  const [name, setName] = useState(present?.name ?? "");
  const [include, setInclude] = useState((present?.include as Rule[] | undefined) ?? [ruleOf("email_domain", "")]);
  const [require, setRequire] = useState((present?.require as Rule[] | undefined) ?? []);
  const [exclude, setExclude] = useState((present?.exclude as Rule[] | undefined) ?? []);
  const complete = include.length > 0 && [...include, ...require, ...exclude].every(isComplete);
  return (
    <FormModal
      title={present === undefined ? t("groups.create") : t("edit", { name: present.name })}
      action={t("groups.save")}
      opened
      onClose={props.onClose}
      ready={name.trim() !== "" && complete}
      submit={async () => {
        await putGroup(props.account, { name: name.trim(), include, require, exclude }, present?.id);
        done(t("groups.saved", { name: name.trim() }));
      }}
      size="xl"
    >
      <TextInput label={t("name")} value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
      <Rules label={t("include")} rules={include} kinds={KINDS_OF_GROUPS} change={setInclude} />
      <Rules label={t("require")} rules={require} kinds={KINDS_OF_GROUPS} change={setRequire} />
      <Rules label={t("exclude")} rules={exclude} kinds={KINDS_OF_GROUPS} change={setExclude} />
    </FormModal>
  );
}
