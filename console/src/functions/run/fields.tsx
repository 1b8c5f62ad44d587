// What a function in Node.js, Python or Go has beside its code.
import { Group, NumberInput, Stack, Textarea, TextInput } from "@mantine/core";

import { isJson } from "../../ui/content";
import { Pairs, pairsOf, recordOf, type Pair } from "../../ui/Pairs";
import { useFunctionsText } from "../strings";
import type { Runtime } from "../templates";

export interface Fields {
  handler: string;
  timeout: number | string;
  memory: number | string;
  environment: Pair[];
  dependencies: string;
}

export const FRESH: Fields = { handler: "handler", timeout: 30, memory: 128, environment: [], dependencies: "" };

export function fieldsOf(known: { handler: string; timeout: number; memory: number; environment: Record<string, string>; dependencies: string }): Fields {
  return { ...known, environment: pairsOf(known.environment) };
}

/** Dependencies are names and versions in Node.js; elsewhere they are the text of the runtime's own file. */
export function dependenciesBad(runtime: Runtime, text: string): boolean {
  const named = runtime === "nodejs" || runtime === "typescript";
  return named && text.trim() !== "" && !(isJson(text) && text.trimStart().startsWith("{"));
}

/** The fields as the API takes them. */
export function sent(runtime: Runtime, { handler, timeout, memory, environment, dependencies }: Fields) {
  const text = dependencies.trim();
  const named = runtime === "nodejs" || runtime === "typescript";
  return {
    handler: handler.trim(),
    timeout: Number(timeout),
    memory: Number(memory),
    environment: recordOf(environment),
    dependencies: text === "" ? null : named ? (JSON.parse(text) as Record<string, string>) : text,
  };
}

export function FieldsForm(props: { runtime: Runtime; fields: Fields; onChange: (fields: Fields) => void }) {
  const t = useFunctionsText();
  const { runtime, fields } = props;
  const change = (part: Partial<Fields>) => props.onChange({ ...fields, ...part });
  const language = runtime === "typescript" ? "nodejs" : runtime;
  return (
    <Stack>
      <Group align="flex-end" grow>
        <TextInput
          label={t("handler")}
          description={t("handler.text")}
          value={fields.handler}
          onChange={(event) => change({ handler: event.currentTarget.value })}
          spellCheck={false}
          autoComplete="off"
        />
        <NumberInput label={t("timeout")} value={fields.timeout} onChange={(timeout) => change({ timeout })} min={1} max={900} allowDecimal={false} />
        <NumberInput label={t("memory")} value={fields.memory} onChange={(memory) => change({ memory })} min={16} max={10_240} allowDecimal={false} />
      </Group>
      <Pairs
        label={t("environment")}
        text={t("environment.text")}
        nameLabel={t("variable")}
        valueLabel={t("value")}
        pairs={fields.environment}
        onChange={(environment) => change({ environment })}
      />
      <Textarea
        label={t("dependencies")}
        description={t(`dependencies.${language}`)}
        value={fields.dependencies}
        onChange={(event) => change({ dependencies: event.currentTarget.value })}
        error={dependenciesBad(runtime, fields.dependencies) ? t("dependencies.bad") : undefined}
        autosize
        minRows={1}
        maxRows={10}
        classNames={{ input: "mono" }}
        spellCheck={false}
      />
    </Stack>
  );
}
