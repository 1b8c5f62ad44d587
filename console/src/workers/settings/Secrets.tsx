import { ActionIcon, Button, Group, Modal, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { KeyRound, Plus, RefreshCw, Trash2 } from "lucide-react";
import { useState, type FormEvent } from "react";

import { api, result } from "../../api/client";
import { useConfirm } from "../../ui/confirm";
import { Section } from "../../ui/Page";
import { Empty, Failure, Loaded } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done, failed } from "../../ui/toast";
import { changed, oneKey, type One } from "../one";
import { useWorkersText } from "../strings";
import { Rows } from "./Rows";

const PATH = "/client/v4/accounts/{account}/workers/scripts/{worker}/secrets";

/** Secrets: their texts go in and never come out. */
export function Secrets(props: { one: One }) {
  const t = useWorkersText();
  const words = useWords();
  const { one } = props;
  const confirm = useConfirm();
  const [editing, setEditing] = useState<string>();
  const secrets = useQuery({
    queryKey: oneKey(one, "secrets"),
    queryFn: () => result(api.GET(PATH, { params: { path: one } })),
  });

  async function remove(name: string) {
    if (!(await confirm({ title: t("secret.remove", { name }), lost: t("secret.remove.lost"), action: words("delete") }))) return;
    try {
      await result(api.DELETE(`${PATH}/{secret}`, { params: { path: { ...one, secret: name } } }));
      await changed(one);
      done(words("saved"));
    } catch (error) {
      failed(error);
    }
  }

  return (
    <Section
      title={t("secrets")}
      text={t("secrets.text")}
      actions={
        <Button variant="default" leftSection={<Plus size={14} />} onClick={() => setEditing("")}>
          {t("secret.add")}
        </Button>
      }
    >
      <Loaded query={secrets} rows={3}>
        {(list) =>
          list.length === 0 ? (
            <Empty small icon={KeyRound} title={t("secrets.none")} text={t("secrets.none.text")} />
          ) : (
            <Rows
              rows={list.map(({ name }) => ({
                name,
                value: <Text c="dimmed">{t("secret.hidden")}</Text>,
                actions: (
                  <>
                    <ActionIcon variant="subtle" color="gray" aria-label={`${t("secret.replace")} ${name}`} onClick={() => setEditing(name)}>
                      <RefreshCw size={14} />
                    </ActionIcon>
                    <ActionIcon variant="subtle" color="gray" aria-label={`${words("delete")} ${name}`} onClick={() => void remove(name)}>
                      <Trash2 size={14} />
                    </ActionIcon>
                  </>
                ),
              }))}
            />
          )
        }
      </Loaded>
      {editing !== undefined && <Edit one={one} name={editing} onClose={() => setEditing(undefined)} />}
    </Section>
  );
}

function Edit(props: { one: One; name: string; onClose: () => void }) {
  const t = useWorkersText();
  const words = useWords();
  const [name, setName] = useState(props.name);
  const [text, setText] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);

  async function save(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await result(api.PUT(PATH, { params: { path: props.one }, body: { name, text, type: "secret_text" } }));
      await changed(props.one);
      done(words("saved"));
      props.onClose();
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  }

  return (
    <Modal
      opened
      onClose={props.onClose}
      title={<Text fw={600}>{props.name === "" ? t("secret.add") : t("secret.replace")}</Text>}
      closeButtonProps={{ "aria-label": words("close") }}
    >
      <form onSubmit={(event) => void save(event)}>
        <Stack>
          {error !== undefined && <Failure error={error} />}
          <TextInput
            label={t("name")}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            disabled={props.name !== ""}
            required
            withAsterisk={false}
            data-autofocus={props.name === "" || undefined}
          />
          <PasswordInput
            label={t("secret.text")}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            autoComplete="off"
            required
            withAsterisk={false}
            data-autofocus={props.name !== "" || undefined}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={props.onClose}>
              {words("cancel")}
            </Button>
            <Button type="submit" loading={busy}>
              {t("saveDeploy")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
