import { ActionIcon, Button, Group, Modal, SegmentedControl, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { Pencil, Plus, Trash2, Variable } from "lucide-react";
import { useState, type FormEvent } from "react";

import { useConfirm } from "../../ui/confirm";
import { Section } from "../../ui/Page";
import { Empty, Failure } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done, failed } from "../../ui/toast";
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
  const confirm = useConfirm();
  const [editing, setEditing] = useState<Binding | "new">();
  const variables = props.settings.bindings.filter(({ type }) => type === "plain_text" || type === "json");

  async function remove({ name }: Binding) {
    if (!(await confirm({ title: t("var.remove", { name }), lost: t("var.remove.lost"), action: words("delete") }))) return;
    try {
      await changeBindings(props.one, props.settings, { remove: [name] });
      done(words("saved"));
    } catch (error) {
      failed(error);
    }
  }

  return (
    <Section
      title={t("vars")}
      text={t("vars.text")}
      actions={
        <Button variant="default" leftSection={<Plus size={14} />} onClick={() => setEditing("new")}>
          {t("var.add")}
        </Button>
      }
    >
      {variables.length === 0 ? (
        <Empty small icon={Variable} title={t("vars.none")} text={t("vars.none.text")} />
      ) : (
        <Rows
          rows={variables.map((variable) => ({
            name: variable.name,
            value: <code>{shown(variable)}</code>,
            actions: (
              <>
                <ActionIcon variant="subtle" color="gray" aria-label={`${words("edit")} ${variable.name}`} onClick={() => setEditing(variable)}>
                  <Pencil size={14} />
                </ActionIcon>
                <ActionIcon variant="subtle" color="gray" aria-label={`${words("delete")} ${variable.name}`} onClick={() => void remove(variable)}>
                  <Trash2 size={14} />
                </ActionIcon>
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
  const [error, setError] = useState<unknown>();
  const [wrong, setWrong] = useState(false);
  const [busy, setBusy] = useState(false);

  async function save(event: FormEvent) {
    event.preventDefault();
    let binding: Binding;
    try {
      binding =
        kind === "json"
          ? { name, type: "json", json: JSON.parse(text) as unknown }
          : { name, type: "plain_text", text };
    } catch {
      setWrong(true);
      return;
    }
    setBusy(true);
    setError(undefined);
    try {
      await changeBindings(props.one, props.settings, { add: [binding] });
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
      title={<Text fw={600}>{variable === undefined ? t("var.add") : variable.name}</Text>}
      closeButtonProps={{ "aria-label": words("close") }}
    >
      <form onSubmit={(event) => void save(event)}>
        <Stack>
          {error !== undefined && <Failure error={error} />}
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
            onChange={(event) => {
              setText(event.currentTarget.value);
              setWrong(false);
            }}
            error={wrong ? t("var.notJson") : undefined}
            autosize
            minRows={2}
            maxRows={14}
            spellCheck={false}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            data-autofocus={variable !== undefined || undefined}
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
