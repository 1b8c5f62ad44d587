import { ActionIcon, Alert, Button, Group, MultiSelect, Paper, Select, Stack, Text, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { useAccounts, useSession } from "../api/session";
import { FormModal } from "../ui/FormModal";
import { done } from "../ui/toast";
import { networksOf, permissionsOf, policiesOf, type Choice, type Kind, type Where } from "./policies";
import { useTokensText } from "./strings";
import { useThings } from "./things";
import { create, update, useGroups, type NewToken, type Owner, type Policy, type Shown, type Token } from "./tokens";

const KINDS: Kind[] = ["worker", "kv", "d1", "r2", "queue", "pages"];

export function TokenForm(props: {
  owner: Owner;
  /** Absent: a new one. */
  present?: Token | undefined;
  onClose: () => void;
  onValue: (shown: Shown) => void;
}) {
  const t = useTokensText();
  const { owner, present } = props;
  const { data: session } = useSession();
  const { data: groups = [] } = useGroups(owner);
  const nothing: Choice = { groups: [], where: { account: owner ?? "*" } };
  const [name, setName] = useState(present?.name ?? "");
  const [choices, setChoices] = useState<Choice[]>(present === undefined ? [nothing] : []);
  const [kept, setKept] = useState<Policy[]>((present?.policies ?? []) as unknown as Policy[]);
  const [expiry, setExpiry] = useState(present?.expires_on?.slice(0, 10) ?? "");
  const [from, setFrom] = useState(present?.condition?.request_ip?.in?.join(", ") ?? "");
  const [notFrom, setNotFrom] = useState(present?.condition?.request_ip?.not_in?.join(", ") ?? "");

  async function submit() {
    const policies = [...kept, ...choices.flatMap((choice) => policiesOf(choice, groups, session?.user?.id))];
    const [inside, outside] = [networksOf(from), networksOf(notFrom)];
    const request_ip = {
      ...(inside.length === 0 ? {} : { in: inside }),
      ...(outside.length === 0 ? {} : { not_in: outside }),
    };
    const body: NewToken = {
      name: name.trim(),
      policies,
      ...(expiry === "" ? {} : { expires_on: `${expiry}T00:00:00Z` }),
      ...(present?.not_before === undefined ? {} : { not_before: present.not_before }),
      ...(Object.keys(request_ip).length === 0 ? {} : { condition: { request_ip } }),
    };
    if (present === undefined) {
      props.onValue(await create(owner, body));
    } else {
      await update(owner, present.id, body);
      done(t("saved", { name: body.name }));
    }
  }

  const complete = ({ groups: chosen, where }: Choice) =>
    chosen.length > 0 && (where.kind === undefined || where.thing !== undefined);
  return (
    <FormModal
      title={present === undefined ? t("create") : t("edit", { name: present.name })}
      action={present === undefined ? t("create") : t("save")}
      opened
      onClose={props.onClose}
      ready={name.trim() !== "" && kept.length + choices.length > 0 && choices.every(complete)}
      submit={submit}
      size="xl"
    >
      <TextInput
        label={t("name")}
        description={t("name.hint")}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        data-autofocus
      />
      <div>
        <Text fw={500}>{t("policies")}</Text>
        <Text c="dimmed" fz="sm">
          {t("policies.text")}
        </Text>
      </div>
      {kept.map((policy, at) => (
        <Alert
          key={at}
          color="gray"
          withCloseButton
          closeButtonLabel={t("policy.remove", { number: at + 1 })}
          onClose={() => setKept(kept.filter((_, index) => index !== at))}
        >
          {t("policy.kept", { text: `${permissionsOf([policy])} · ${Object.keys(policy.resources).join(", ")}` })}
        </Alert>
      ))}
      {choices.map((choice, at) => (
        <ChoiceFields
          key={at}
          owner={owner}
          number={kept.length + at + 1}
          choice={choice}
          change={(to) => setChoices(choices.map((one, index) => (index === at ? to : one)))}
          {...(kept.length + choices.length > 1
            ? { remove: () => setChoices(choices.filter((_, index) => index !== at)) }
            : {})}
        />
      ))}
      <Group>
        <Button variant="default" leftSection={<Plus size={14} />} onClick={() => setChoices([...choices, nothing])}>
          {t("policy.add")}
        </Button>
      </Group>
      <TextInput
        label={t("expiry")}
        description={t("expiry.hint")}
        type="date"
        value={expiry}
        onChange={(event) => setExpiry(event.currentTarget.value)}
      />
      <Group grow align="flex-start">
        <TextInput
          label={t("from")}
          description={t("from.hint")}
          value={from}
          onChange={(event) => setFrom(event.currentTarget.value)}
          spellCheck={false}
        />
        <TextInput
          label={t("notFrom")}
          description={t("from.hint")}
          value={notFrom}
          onChange={(event) => setNotFrom(event.currentTarget.value)}
          spellCheck={false}
        />
      </Group>
    </FormModal>
  );
}

function ChoiceFields(props: {
  owner: Owner;
  number: number;
  choice: Choice;
  change: (choice: Choice) => void;
  remove?: () => void;
}) {
  const t = useTokensText();
  const { owner, choice } = props;
  const { where } = choice;
  const { data: groups = [] } = useGroups(owner);
  const { data: accounts = [] } = useAccounts();
  const { data: things = [] } = useThings(where.account, where.kind);
  const on = (to: Where) => props.change({ ...choice, where: to });
  const names = groups.map(({ id, name }) => ({ value: id, label: name }));
  return (
    <Paper p="sm">
      <Stack gap="xs">
        <MultiSelect
          label={t("groups")}
          {...(choice.groups.length === 0 ? { placeholder: t("groups.pick") } : {})}
          data={names}
          value={choice.groups}
          onChange={(chosen) => props.change({ ...choice, groups: chosen })}
          searchable
          hidePickedOptions
        />
        <Group align="flex-end" gap="xs" wrap="wrap">
          {owner === undefined && (
            <Select
              label={t("account")}
              data={[
                { value: "*", label: t("where.accounts") },
                ...accounts.map(({ id, name }) => ({ value: id, label: name })),
              ]}
              value={where.account}
              onChange={(account) => on({ account: account ?? "*" })}
              allowDeselect={false}
            />
          )}
          {where.account !== "*" && (
            <Select
              label={t("where")}
              data={[
                { value: "account", label: t("where.account") },
                ...KINDS.map((kind) => ({ value: kind, label: t(`where.${kind}`) })),
              ]}
              value={where.kind ?? "account"}
              onChange={(kind) =>
                on(kind === "account" || kind === null ? { account: where.account } : { account: where.account, kind: kind as Kind })
              }
              allowDeselect={false}
            />
          )}
          {where.kind !== undefined && (
            <Select
              label={t("which")}
              data={things}
              value={where.thing ?? null}
              onChange={(thing) => on({ ...where, ...(thing === null ? {} : { thing }) })}
              searchable
              limit={50}
            />
          )}
          {props.remove !== undefined && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={t("policy.remove", { number: props.number })}
              onClick={props.remove}
            >
              <Trash2 size={15} />
            </ActionIcon>
          )}
        </Group>
      </Stack>
    </Paper>
  );
}
