// A version to be: its code and what it is called, for a function that is and for one that is to be.
import { Button, Group, NumberInput, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { apiOf, body } from "../../api/client";
import { Editor } from "../../ui/editor";
import { Pairs, pairsOf, recordOf } from "../../ui/Pairs";
import { useSending } from "../../ui/sending";
import { Failure } from "../../ui/states";
import { done } from "../../ui/toast";
import { stale } from "../api";
import { useFunctionsText } from "../strings";

export interface Begin {
  code: string;
  env: Record<string, string>;
  idleTimeout: number | null;
}

export function Deploy(props: {
  account: string;
  /** Without one, it is asked for. */
  name?: string;
  begin: Begin;
  action: string;
  onDone: (name: string) => void;
  onChanged?: (changed: boolean) => void;
}) {
  const t = useFunctionsText();
  const { account, begin } = props;
  const [name, setName] = useState("");
  const [code, setCode] = useState(begin.code);
  const [version, setVersion] = useState("");
  const [alias, setAlias] = useState("");
  const [idle, setIdle] = useState<number | string>(begin.idleTimeout ?? "");
  const [env, setEnv] = useState(pairsOf(begin.env));
  const { busy, error, send } = useSending();
  const called = props.name ?? name.trim();
  const ready = called !== "" && code.trim() !== "";

  function deploy() {
    if (!ready) return;
    void send(async () => {
      const made = await body(
        apiOf(account).POST("/api/deploy/{name}", {
          params: { path: { name: called } },
          body: {
            runtime: "js",
            code,
            env_vars: recordOf(env),
            ...(version.trim() === "" ? {} : { version: version.trim() }),
            ...(alias.trim() === "" ? {} : { alias: alias.trim() }),
            ...(idle === "" ? {} : { idle_timeout: Number(idle) }),
          },
        }),
      );
      done(t("saved", { name: `${made.funcName} ${made.version}` }));
      setVersion("");
      props.onChanged?.(false);
      await stale(account);
      props.onDone(made.funcName);
    });
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        deploy();
      }}
    >
      <Stack>
        {props.name === undefined && (
          <TextInput label={t("name")} value={name} onChange={(event) => setName(event.currentTarget.value)} required maw={420} spellCheck={false} autoComplete="off" />
        )}
        <Editor
          label={t("code")}
          language="javascript"
          value={code}
          onChange={(text) => {
            setCode(text);
            props.onChanged?.(text !== begin.code);
          }}
          height="18rem"
          onSubmit={deploy}
        />
        <Group align="flex-start" grow>
          <TextInput label={t("version")} description={t("version.text")} value={version} onChange={(event) => setVersion(event.currentTarget.value)} spellCheck={false} autoComplete="off" />
          <TextInput label={t("alias")} description={t("alias.text")} value={alias} onChange={(event) => setAlias(event.currentTarget.value)} spellCheck={false} autoComplete="off" />
          <NumberInput label={t("idleTimeout")} description={t("idleTimeout.text")} value={idle} onChange={setIdle} min={1} allowDecimal={false} />
        </Group>
        <Pairs label={t("environment")} text={t("environment.text")} nameLabel={t("variable")} valueLabel={t("value")} pairs={env} onChange={setEnv} />
        {error !== undefined && <Failure error={error} />}
        <Group>
          <Button type="submit" loading={busy} disabled={!ready}>
            {props.action}
          </Button>
          {busy && (
            <Text c="dimmed" fz="sm" role="status">
              {t("create.busy")}
            </Text>
          )}
        </Group>
      </Stack>
    </form>
  );
}
