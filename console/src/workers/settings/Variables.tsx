import { Button, SegmentedControl, Textarea, TextInput } from "@mantine/core";
import { Pencil, Plus, Trash2, Variable } from "lucide-react";
import { useState } from "react";

import { useMay } from "../../app/rights";
import { useAsked } from "../../ui/confirm";
import { isJson } from "../../ui/content";
import { FormModal } from "../../ui/FormModal";
import { Section } from "../../ui/Page";
import { RowAction } from "../../ui/RowAction";
import { Empty } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done } from "../../ui/toast";
import type { One } from "../one";
import { useWorkersText } from "../strings";
import { changeBindings, type Binding, type WorkerSettings } from "./change";
import { Rows } from "./Rows";

const shown = (binding: Binding) =>
  binding.type === "json" ? JSON.stringify(binding["json"]) : String(binding["text"] ?? "");

/** Plain variables, which everybody sees who sees the worker. */
export function Variables(props: { one: One; settings: WorkerSettings }) {
  const t = useWorkersText();
  const words = useWords();
  const asked = useAsked();
  const may = useMay("workers");
  const [editing, setEditing] = useState<Binding | "new">();
  const variables = props.settings.bindings.filter(({ type }) => type === "plain_text" || type === "json");

  const remove = ({ name }: Binding) =>
    asked({ title: t("var.remove", { name }), lost: t("var.remove.lost"), action: words("delete") }, async () => {
      await changeBindings(props.one, props.settings, { remove: [name] });
      done(words("saved"));
    });

  return (
    <Section
      title={t("vars")}
      text={t("vars.text")}
      actions={
        may && (
          <Button variant="default" leftSection={<Plus size={14} />} onClick={() => setEditing("new")}>
            {t("var.add")}
          </Button>
        )
      }
    >
      {variables.length === 0 ? (
        <Empty small icon={Variable} title={t("vars.none")} text={t("vars.none.text")} />
      ) : (
        <Rows
          rows={variables.map((variable) => ({
            name: variable.name,
            value: <code>{shown(variable)}</code>,
            actions: may && (
              <>
                <RowAction icon={Pencil} label={`${words("edit")} ${variable.name}`} onClick={() => setEditing(variable)} />
                <RowAction icon={Trash2} label={`${words("delete")} ${variable.name}`} onClick={() => void remove(variable)} />
              </>
            ),
          }))}
        />
      )}
      {editing !== undefined && (
        <Edit {...props} variable={editing === "new" ? undefined : editing} onClose={() => setEditing(undefined)} />
      )}
    </Section>
  );
}

function Edit(props: { one: One; settings: WorkerSettings; variable: Binding | undefined; onClose: () => void }) {
  const t = useWorkersText();
  const words = useWords();
  const { variable } = props;
  const [name, setName] = useState(variable?.name ?? "");
  const [kind, setKind] = useState(variable?.type ?? "plain_text");
  const [text, setText] = useState(variable === undefined ? "" : shown(variable));
  const wrong = kind === "json" && !isJson(text);
  return (
    <FormModal
      opened
      onClose={props.onClose}
      title={variable === undefined ? t("var.add") : variable.name}
      action={t("saveDeploy")}
      ready={!wrong}
      submit={async () => {
        const binding: Binding =
          kind === "json" ? { name, type: "json", json: JSON.parse(text) as unknown } : { name, type: "plain_text", text };
        await changeBindings(props.one, props.settings, { add: [binding] });
        done(words("saved"));
      }}
    >
      <TextInput
        label={t("name")}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        disabled={variable !== undefined}
        required
        withAsterisk={false}
        className="mono"
        data-autofocus={variable === undefined || undefined}
      />
      <SegmentedControl
        size="xs"
        aria-label={t("var.kind")}
        value={kind}
        onChange={setKind}
        data={[
          { value: "plain_text", label: t("var.text") },
          { value: "json", label: "JSON" },
        ]}
      />
      <Textarea
        label={t("var.value")}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        error={wrong && text !== "" ? t("var.notJson") : undefined}
        autosize
        minRows={2}
        maxRows={14}
        spellCheck={false}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        data-autofocus={variable !== undefined || undefined}
      />
    </FormModal>
  );
}
