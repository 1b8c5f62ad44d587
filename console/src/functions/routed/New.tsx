import { Button, Stack, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { apiOf, body } from "../../api/client";
import { useAccount } from "../../app/account";
import { Commands } from "../../ui/Commands";
import { Editor } from "../../ui/editor";
import { useSending } from "../../ui/sending";
import { Failure } from "../../ui/states";
import { done } from "../../ui/toast";
import { caller, stale } from "../api";
import { useFunctionsText } from "../strings";
import { ROUTED } from "../templates";
import { FieldsForm, FRESH, sent } from "./fields";

export function NewRouted() {
  const t = useFunctionsText();
  const account = useAccount();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [code, setCode] = useState(ROUTED);
  const [fields, setFields] = useState(FRESH);
  const { busy, error, send } = useSending();
  const ready = name.trim() !== "" && code.trim() !== "";

  const create = () =>
    send(async () => {
      const made = await body(apiOf(account).POST("/api/functions", { body: { name: name.trim(), code, ...sent(fields) } }));
      done(t("created", { name: made.name }));
      await stale(account);
      await navigate({ to: "/a/$account/functions/routed/$id", params: { account, id: made.id } });
    });

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) void create();
      }}
    >
      <Stack>
        <TextInput label={t("name")} value={name} onChange={(event) => setName(event.currentTarget.value)} required maw={420} spellCheck={false} autoComplete="off" />
        <Editor label={t("code")} language="javascript" value={code} onChange={setCode} height="16rem" />
        <FieldsForm name={name.trim()} fields={fields} onChange={setFields} />
        {error !== undefined && <Failure error={error} />}
        <div>
          <Button type="submit" loading={busy} disabled={!ready}>
            {t("create")}
          </Button>
        </div>
        <Commands
          lines={[
            `curl ${window.location.origin}/api/functions ${caller(account)} -H "Content-Type: application/json" \\\n  -d '{"name": "hello", "route": "/hello", "methods": ["GET"], "code": "…"}'`,
          ]}
        />
      </Stack>
    </form>
  );
}
