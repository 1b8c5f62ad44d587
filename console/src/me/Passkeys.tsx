import { ActionIcon, Button, Paper, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { useState } from "react";

import { api, body, type Schema } from "../api/client";
import { passkeysWork } from "../signin/passkey";
import { useConfirm } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { FormModal } from "../ui/FormModal";
import { Section } from "../ui/Page";
import { Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done, failed } from "../ui/toast";
import { changed } from "./account";
import { browserOf } from "./agent";
import { useConfirmed } from "./again";
import { useMeText } from "./strings";

type Passkey = Schema<"Passkey">;

/** Has the browser make one; null: its person chose not to. */
async function make(publicKey: object): Promise<PublicKeyCredential | null> {
  const options = PublicKeyCredential.parseCreationOptionsFromJSON(publicKey as PublicKeyCredentialCreationOptionsJSON);
  try {
    const made = await navigator.credentials.create({ publicKey: options });
    return made instanceof PublicKeyCredential ? made : null;
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotAllowedError") return null;
    throw error;
  }
}

export function Passkeys() {
  const t = useMeText();
  const words = useWords();
  const confirm = useConfirm();
  const [confirmed, dialog] = useConfirmed();
  const [open, form] = useDisclosure();
  const [name, setName] = useState("");
  const [cancelled, setCancelled] = useState(false);
  const passkeys = useQuery({
    queryKey: ["me", "passkeys"],
    queryFn: async () => (await body(api.GET("/api/account/passkeys"))).passkeys,
  });
  const said = (password?: string) => ({ body: password === undefined ? {} : { password } });

  async function add() {
    setCancelled(false);
    const options = await confirmed((password) => body(api.POST("/api/account/passkeys/options", said(password))));
    if (options === null) return false;
    const credential = await make(options.publicKey);
    if (credential === null) {
      setCancelled(true);
      return false;
    }
    const sent = { name: name.trim(), credential: credential.toJSON() as unknown as Record<string, unknown> };
    await body(api.POST("/api/account/passkeys", { body: sent }));
    await changed();
    done(t("passkeys.added"));
    return true;
  }

  async function remove({ id, name: which }: Passkey) {
    const question = {
      title: t("passkeys.remove", { name: which }),
      lost: t("passkeys.lost", { name: which }),
      action: t("passkeys.action"),
    };
    if (!(await confirm(question))) return;
    try {
      const params = { path: { passkey: id } };
      await confirmed((password) => body(api.DELETE("/api/account/passkeys/{passkey}", { params, ...said(password) })));
      await changed();
    } catch (error) {
      failed(error);
    }
  }

  const columns: Column<Passkey>[] = [
    { id: "name", header: t("passkeys.name"), cell: (row) => row.name, value: (row) => row.name },
    { id: "created", header: t("created"), cell: ({ created_on: when }) => <Text c="dimmed">{ago(when)}</Text>, wide: true },
    {
      id: "used",
      header: t("used"),
      cell: ({ used_on: when }) => <Text c="dimmed">{when === null ? words("never") : ago(when)}</Text>,
      wide: true,
    },
    {
      id: "remove",
      header: "",
      width: "2.5rem",
      cell: (row) => (
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={t("passkeys.remove", { name: row.name })}
          onClick={() => void remove(row)}
        >
          <Trash2 size={15} />
        </ActionIcon>
      ),
    },
  ];
  return (
    <Section
      title={t("passkeys")}
      text={t("passkeys.text")}
      actions={
        passkeysWork() && (
          <Button
            variant="default"
            onClick={() => {
              setName(browserOf(navigator.userAgent));
              setCancelled(false);
              form.open();
            }}
          >
            {t("passkeys.add")}
          </Button>
        )
      }
    >
      <Loaded query={passkeys} rows={2}>
        {(rows) =>
          rows.length === 0 ? (
            <Paper p="md">
              <Text c="dimmed">{passkeysWork() ? t("passkeys.none") : t("passkeys.unable")}</Text>
            </Paper>
          ) : (
            <DataTable label={t("passkeys")} columns={columns} rows={rows} rowKey={({ id }) => id} />
          )
        }
      </Loaded>
      {dialog}
      <FormModal
        title={t("passkeys.add")}
        action={t("passkeys.add")}
        opened={open}
        onClose={form.close}
        ready={name.trim() !== ""}
        submit={add}
      >
        <TextInput
          label={t("passkeys.name")}
          description={t("passkeys.name.hint")}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus
        />
        {cancelled && (
          <Text c="dimmed" fz="sm" role="status">
            {t("passkeys.cancelled")}
          </Text>
        )}
      </FormModal>
    </Section>
  );
}
