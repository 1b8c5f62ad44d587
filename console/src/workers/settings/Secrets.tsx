import { Button, PasswordInput, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { KeyRound, Plus, RefreshCw, Trash2 } from "lucide-react";
import { useState } from "react";

import { api, result } from "../../api/client";
import { useMay } from "../../app/rights";
import { useAsked } from "../../ui/confirm";
import { FormModal } from "../../ui/FormModal";
import { Section } from "../../ui/Page";
import { RowAction } from "../../ui/RowAction";
import { Empty, Loaded } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done } from "../../ui/toast";
import { changed, oneKey, type One } from "../one";
import { useWorkersText } from "../strings";
import { Rows } from "./Rows";

const PATH = "/client/v4/accounts/{account}/workers/scripts/{worker}/secrets";

/** Secrets: their texts go in and never come out. */
export function Secrets(props: { one: One }) {
  const t = useWorkersText();
  const words = useWords();
  const { one } = props;
  const asked = useAsked();
  const may = useMay("workers");
  const [editing, setEditing] = useState<string>();
  const secrets = useQuery({
    queryKey: oneKey(one, "secrets"),
    queryFn: () => result(api.GET(PATH, { params: { path: one } })),
  });

  const remove = (name: string) =>
    asked({ title: t("secret.remove", { name }), lost: t("secret.remove.lost"), action: words("delete") }, async () => {
      await result(api.DELETE(`${PATH}/{secret}`, { params: { path: { ...one, secret: name } } }));
      await changed(one);
      done(words("saved"));
    });

  return (
    <Section
      title={t("secrets")}
      text={t("secrets.text")}
      actions={
        may && (
          <Button variant="default" leftSection={<Plus size={14} />} onClick={() => setEditing("")}>
            {t("secret.add")}
          </Button>
        )
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
                actions: may && (
                  <>
                    <RowAction icon={RefreshCw} label={`${t("secret.replace")} ${name}`} onClick={() => setEditing(name)} />
                    <RowAction icon={Trash2} label={`${words("delete")} ${name}`} onClick={() => void remove(name)} />
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
  return (
    <FormModal
      opened
      onClose={props.onClose}
      title={props.name === "" ? t("secret.add") : t("secret.replace")}
      action={t("saveDeploy")}
      submit={async () => {
        await result(api.PUT(PATH, { params: { path: props.one }, body: { name, text, type: "secret_text" } }));
        await changed(props.one);
        done(words("saved"));
      }}
    >
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
    </FormModal>
  );
}
