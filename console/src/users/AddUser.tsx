import { Checkbox, Select, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";

import { api, body } from "../api/client";
import { useAccounts } from "../api/session";
import { FormModal } from "../ui/FormModal";
import { useUsersText } from "./strings";
import { usersChanged } from "./users";

const ROLES = ["owner", "admin", "developer", "viewer"] as const;

/** A person, what they are to be in an account, and their invitation. */
export function AddUser(props: {
  opened: boolean;
  onClose: () => void;
  onLink: (link: { email: string; url: string; until: string }) => void;
}) {
  const t = useUsersText();
  const { data: accounts } = useAccounts();
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [operator, setOperator] = useState(false);
  const [account, setAccount] = useState<string | null>(null);
  const [role, setRole] = useState<string>("developer");
  useEffect(() => {
    if (!props.opened) return;
    setEmail("");
    setName("");
    setOperator(false);
    setAccount(null);
    setRole("developer");
  }, [props.opened]);

  async function submit() {
    const memberships = account === null ? {} : { memberships: [{ account, role }] };
    const sent = { email: email.trim(), name: name.trim(), is_operator: operator, ...memberships };
    const { id } = await body(api.POST("/api/users", { body: sent }));
    await usersChanged();
    const params = { path: { user: id } };
    const { url, expires_on: until } = await body(api.POST("/api/users/{user}/invitation", { params }));
    await usersChanged();
    props.onLink({ email: email.trim(), url, until });
  }

  return (
    <FormModal
      title={t("add")}
      action={t("add")}
      opened={props.opened}
      onClose={props.onClose}
      ready={email.trim() !== ""}
      submit={submit}
    >
      <TextInput
        label={t("email")}
        type="email"
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
        data-autofocus
      />
      <TextInput label={t("name")} value={name} onChange={(event) => setName(event.currentTarget.value)} />
      <Select
        label={t("account")}
        placeholder={t("account.none")}
        data={(accounts ?? []).map(({ id, name: label }) => ({ value: id, label }))}
        value={account}
        onChange={setAccount}
        clearable
        searchable
      />
      {account !== null && (
        <Select
          label={t("role")}
          data={ROLES.map((value) => ({ value, label: t(`role.${value}`) }))}
          value={role}
          onChange={(value) => setRole(value ?? "developer")}
          allowDeselect={false}
        />
      )}
      <Checkbox
        label={t("operator")}
        description={t("operator.hint")}
        checked={operator}
        onChange={(event) => setOperator(event.currentTarget.checked)}
      />
    </FormModal>
  );
}
