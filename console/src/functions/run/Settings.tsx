import { Button, Fieldset, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { apiOf, body } from "../../api/client";
import { useMay } from "../../app/rights";
import { useSending } from "../../ui/sending";
import { Failure } from "../../ui/states";
import { done } from "../../ui/toast";
import { stale } from "../api";
import { useFunctionsText } from "../strings";
import { dependenciesBad, FieldsForm, fieldsOf, sent } from "./fields";
import { dependenciesOf, runtimeOf, type Known } from "./known";

export function Settings(props: { account: string; known: Known }) {
  const t = useFunctionsText();
  const { account, known } = props;
  const [name, setName] = useState(known.name);
  const [fields, setFields] = useState(fieldsOf({ ...known, dependencies: dependenciesOf(known) }));
  const { busy, error, send } = useSending();
  const runtime = runtimeOf(known);
  const may = useMay("workers");

  const store = () =>
    send(async () => {
      const path = { id: known.id };
      // What is installed stays locked as it is unless other packages are asked for.
      const { dependencies, ...rest } = sent(runtime, fields);
      const others = fields.dependencies === dependenciesOf(known) ? {} : { dependencies };
      await body(apiOf(account).PUT("/api/v1/functions/{id}", { params: { path }, body: { name: name.trim(), ...rest, ...others } }));
      done(t("settingsSaved"));
      await stale(account);
    });

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void store();
      }}
    >
      <Fieldset variant="unstyled" disabled={!may}>
        <Stack maw={640}>
          <TextInput label={t("name")} value={name} onChange={(event) => setName(event.currentTarget.value)} required spellCheck={false} />
          <FieldsForm runtime={runtime} fields={fields} onChange={setFields} />
          {error !== undefined && <Failure error={error} />}
          <div>
            <Button type="submit" loading={busy} disabled={dependenciesBad(runtime, fields.dependencies)}>
              {t("save")}
            </Button>
          </div>
          {busy && (
            <Text c="dimmed" fz="sm" role="status">
              {t("create.busy")}
            </Text>
          )}
        </Stack>
      </Fieldset>
    </form>
  );
}
