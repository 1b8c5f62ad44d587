import { ActionIcon, Button, Checkbox, Group, PasswordInput, Select, Stack, Text, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { useAccounts } from "../api/session";
import { FormModal } from "../ui/FormModal";
import { done } from "../ui/toast";
import { replaceOne, type Provider, type Rule } from "./providers";
import { useProvidersText } from "./strings";

const ROLES = ["owner", "admin", "developer", "viewer"] as const;

/** A value of the choice of what a group gets that is no account. */
const OPERATOR = "operator";

export function ProviderForm(props: {
  all: Provider[];
  /** Absent: a new one. */
  present?: Provider | undefined;
  opened: boolean;
  onClose: () => void;
}) {
  const t = useProvidersText();
  const { present } = props;
  const [name, setName] = useState(present?.name ?? "");
  const [id, setId] = useState(present?.id ?? "");
  const [issuer, setIssuer] = useState(present?.issuer ?? "");
  const [client, setClient] = useState(present?.client_id ?? "");
  const [secret, setSecret] = useState("");
  const [claim, setClaim] = useState(present?.group_claim ?? "groups");
  const [scopes, setScopes] = useState((present?.scopes ?? ["email", "profile"]).join(" "));
  const [trusts, setTrusts] = useState(present?.trusts_email ?? false);
  const [mapping, setMapping] = useState<Rule[]>(present?.mapping ?? []);

  async function submit() {
    await replaceOne(props.all, present?.id ?? id.trim(), {
      id: present?.id ?? id.trim(),
      name: name.trim(),
      issuer: issuer.trim(),
      client_id: client.trim(),
      ...(secret === "" ? {} : { client_secret: secret }),
      group_claim: claim.trim(),
      scopes: scopes.split(/\s+/).filter((scope) => scope !== ""),
      trusts_email: trusts,
      mapping,
    });
    done(t("saved", { name: name.trim() }));
  }

  const title = present === undefined ? t("add") : t("edit", { name: present.name });
  const complete = mapping.every((rule) => rule.group !== "" && (rule.operator === true || rule.account !== undefined));
  return (
    <FormModal
      title={title}
      action={t("save")}
      opened={props.opened}
      onClose={props.onClose}
      ready={[name, id, issuer, client].every((text) => text.trim() !== "") && complete}
      submit={submit}
      size="xl"
    >
      <Group grow align="flex-start" preventGrowOverflow={false}>
        <TextInput
          label={t("name")}
          description={t("name.hint")}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus
        />
        <TextInput
          label={t("id")}
          description={t("id.hint")}
          value={id}
          onChange={(event) => setId(event.currentTarget.value)}
          disabled={present !== undefined}
        />
      </Group>
      <TextInput
        label={t("issuer")}
        description={t("issuer.hint")}
        placeholder="https://id.corp.test"
        value={issuer}
        onChange={(event) => setIssuer(event.currentTarget.value)}
        spellCheck={false}
      />
      <Group grow align="flex-start">
        <TextInput label={t("client")} value={client} onChange={(event) => setClient(event.currentTarget.value)} />
        <PasswordInput
          label={t("secret")}
          description={present?.has_secret === true ? t("secret.keep") : undefined}
          autoComplete="off"
          value={secret}
          onChange={(event) => setSecret(event.currentTarget.value)}
        />
      </Group>
      <Group grow align="flex-start">
        <TextInput label={t("claim")} value={claim} onChange={(event) => setClaim(event.currentTarget.value)} />
        <TextInput
          label={t("scopes")}
          value={scopes}
          onChange={(event) => setScopes(event.currentTarget.value)}
          title={t("scopes.hint")}
        />
      </Group>
      <Checkbox label={t("trusts")} checked={trusts} onChange={(event) => setTrusts(event.currentTarget.checked)} />
      <div>
        <Text fw={500}>{t("mapping")}</Text>
        <Text c="dimmed" fz="sm">
          {t("mapping.text")}
        </Text>
      </div>
      <Stack gap="xs">
        {mapping.map((rule, at) => (
          <RuleLine
            key={at}
            number={at + 1}
            rule={rule}
            change={(to) => setMapping(mapping.map((one, index) => (index === at ? to : one)))}
            remove={() => setMapping(mapping.filter((_, index) => index !== at))}
          />
        ))}
      </Stack>
      <Group>
        <Button
          variant="default"
          leftSection={<Plus size={14} />}
          onClick={() => setMapping([...mapping, { group: "", operator: true }])}
        >
          {t("mapping.add")}
        </Button>
      </Group>
    </FormModal>
  );
}

function RuleLine(props: { number: number; rule: Rule; change: (rule: Rule) => void; remove: () => void }) {
  const t = useProvidersText();
  const { data: accounts } = useAccounts();
  const { group, account, operator, role = "developer" } = props.rule;
  const places = (accounts ?? []).map(({ id, name }) => ({ value: id, label: name }));
  return (
    <Group align="flex-end" gap="xs" wrap="nowrap">
      <TextInput
        label={t("group")}
        value={group}
        onChange={(event) => props.change({ ...props.rule, group: event.currentTarget.value })}
        style={{ flex: 1 }}
      />
      <Select
        label={t("gets")}
        data={[{ value: OPERATOR, label: t("operator") }, ...places]}
        value={operator === true ? OPERATOR : (account ?? null)}
        onChange={(to) =>
          props.change(to === OPERATOR || to === null ? { group, operator: true } : { group, account: to, role })
        }
        allowDeselect={false}
        style={{ flex: 1 }}
      />
      {operator !== true && (
        <Select
          label={t("role")}
          data={ROLES.map((value) => ({ value, label: t(`role.${value}`) }))}
          value={role}
          onChange={(to) => props.change({ ...props.rule, role: (to ?? "developer") as (typeof ROLES)[number] })}
          allowDeselect={false}
          style={{ flex: 1 }}
        />
      )}
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        aria-label={t("mapping.remove", { number: props.number })}
        onClick={props.remove}
      >
        <Trash2 size={15} />
      </ActionIcon>
    </Group>
  );
}
