import { Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { apiOf, body } from "../../api/client";
import { useAccount } from "../../app/account";
import { Commands } from "../../ui/Commands";
import { useConfirm } from "../../ui/confirm";
import { Editor, type EditorLanguage } from "../../ui/editor";
import { useSending } from "../../ui/sending";
import { Failure } from "../../ui/states";
import { done } from "../../ui/toast";
import { caller, stale } from "../api";
import { useFunctionsText } from "../strings";
import { TEMPLATES, type Runtime, type Template } from "../templates";
import { dependenciesBad, FieldsForm, FRESH, sent } from "./fields";

const RUNTIMES: Runtime[] = ["nodejs", "typescript", "python", "go"];
const STARTS: Template[] = ["hello", "data", "slow"];

export const languageOf = (runtime: Runtime): EditorLanguage => (runtime === "nodejs" ? "javascript" : runtime);

export function NewRun() {
  const t = useFunctionsText();
  const account = useAccount();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const [name, setName] = useState("");
  const [runtime, setRuntime] = useState<Runtime>("nodejs");
  const [template, setTemplate] = useState<Template>("hello");
  const [code, setCode] = useState(TEMPLATES.nodejs.hello);
  const [fields, setFields] = useState(FRESH);
  const { busy, error, send } = useSending();

  async function begin(next: Runtime, from: Template) {
    const written = code !== TEMPLATES[runtime][template] && code.trim() !== "";
    if (written) {
      const question = { title: t("template.replace"), lost: t("template.replace.lost"), action: t("template.replace.action") };
      if (!(await confirm(question))) return;
    }
    setRuntime(next);
    setTemplate(from);
    setCode(TEMPLATES[next][from]);
  }

  const create = () =>
    send(async () => {
      const made = await body(
        apiOf(account).POST("/api/v1/functions", {
          body: { name: name.trim(), runtime, code, ...sent(runtime, fields) },
        }),
      );
      done(t("created", { name: made.name }));
      await stale(account);
      await navigate({ to: "/a/$account/functions/run/$id", params: { account, id: made.id } });
    });

  const ready = name.trim() !== "" && code.trim() !== "" && !dependenciesBad(runtime, fields.dependencies);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) void create();
      }}
    >
      <Stack>
        <Group align="flex-start" grow preventGrowOverflow={false} wrap="wrap">
          <TextInput label={t("name")} value={name} onChange={(event) => setName(event.currentTarget.value)} required spellCheck={false} autoComplete="off" miw={200} />
          <Select
            label={t("runtime")}
            value={runtime}
            onChange={(to) => void begin((to ?? runtime) as Runtime, template)}
            data={RUNTIMES.map((value) => ({ value, label: t(`runtime.${value}`) }))}
            allowDeselect={false}
            miw={160}
          />
          <Select
            label={t("template")}
            value={template}
            onChange={(to) => void begin(runtime, (to ?? template) as Template)}
            data={STARTS.map((value) => ({ value, label: t(`template.${value}`) }))}
            allowDeselect={false}
            miw={160}
          />
        </Group>
        <Editor label={t("code")} language={languageOf(runtime)} value={code} onChange={setCode} height="19rem" />
        <FieldsForm runtime={runtime} fields={fields} onChange={setFields} />
        {error !== undefined && <Failure error={error} />}
        <Group>
          <Button type="submit" loading={busy} disabled={!ready}>
            {t("create")}
          </Button>
          {busy && (
            <Text c="dimmed" fz="sm" role="status">
              {t("create.busy")}
            </Text>
          )}
        </Group>
        <Commands
          lines={[
            `curl ${window.location.origin}/api/v1/functions ${caller(account)} -H "Content-Type: application/json" \\\n  -d '{"name": "hello", "runtime": "${runtime}", "handler": "handler", "code": "…"}'`,
          ]}
        />
      </Stack>
    </form>
  );
}
