import { Checkbox, Group, Stack, TextInput } from "@mantine/core";

import { Pairs, pairsOf, recordOf, type Pair } from "../../ui/Pairs";
import { useFunctionsText } from "../strings";

/** What a route can be called with. */
export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

export interface Fields {
  route: string;
  methods: string[];
  env: Pair[];
}

export const FRESH: Fields = { route: "", methods: [], env: [] };

export function fieldsOf(known: { route: string; methods: string[]; env: Record<string, string> }): Fields {
  const all = METHODS.every((method) => known.methods.includes(method));
  return { route: known.route, methods: all ? [] : known.methods, env: pairsOf(known.env) };
}

export function sent({ route, methods, env }: Fields) {
  return {
    env: recordOf(env),
    methods: methods.length === 0 ? METHODS : methods,
    ...(route.trim() === "" ? {} : { route: route.trim() }),
  };
}

export function FieldsForm(props: { name: string; fields: Fields; onChange: (fields: Fields) => void }) {
  const t = useFunctionsText();
  const { fields } = props;
  const change = (part: Partial<Fields>) => props.onChange({ ...fields, ...part });
  return (
    <Stack>
      <TextInput
        label={t("route")}
        description={t("route.text", { name: props.name === "" ? "…" : props.name })}
        placeholder="/greet"
        value={fields.route}
        onChange={(event) => change({ route: event.currentTarget.value })}
        spellCheck={false}
        autoComplete="off"
      />
      <Checkbox.Group label={t("methods")} description={t("methods.text")} value={fields.methods} onChange={(methods) => change({ methods })}>
        <Group mt={6} gap="sm">
          {METHODS.map((method) => (
            <Checkbox key={method} size="xs" value={method} label={method} />
          ))}
        </Group>
      </Checkbox.Group>
      <Pairs
        label={t("environment")}
        text={t("environment.text")}
        nameLabel={t("variable")}
        valueLabel={t("value")}
        pairs={fields.env}
        onChange={(env) => change({ env })}
      />
    </Stack>
  );
}
