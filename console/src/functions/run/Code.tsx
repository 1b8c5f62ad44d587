import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { apiOf, body } from "../../api/client";
import { useMay } from "../../app/rights";
import { Editor } from "../../ui/editor";
import { useSending } from "../../ui/sending";
import { Failure } from "../../ui/states";
import { done } from "../../ui/toast";
import { stale } from "../api";
import classes from "../Desk.module.css";
import { useFunctionsText } from "../strings";
import { languageOf } from "./New";
import { runtimeOf, type Known } from "./known";
import { Test } from "./Test";

export function Code(props: { account: string; known: Known }) {
  const t = useFunctionsText();
  const { account, known } = props;
  const [code, setCode] = useState(known.code);
  const { busy, error, send } = useSending();
  const changed = code !== known.code;
  const may = useMay("workers");

  function store() {
    if (!changed) return;
    void send(async () => {
      const path = { id: known.id };
      const typed = known.language === "typescript" ? { language: "typescript" as const } : {};
      await body(apiOf(account).PUT("/api/v1/functions/{id}", { params: { path }, body: { code, ...typed } }));
      done(t("saved", { name: known.name }));
      await stale(account);
    });
  }

  return (
    <div className={classes.desk}>
      <Stack gap="sm" className={classes.code}>
        <Editor label={t("code")} language={languageOf(runtimeOf(known))} value={code} onChange={setCode} height="27rem" readOnly={!may} {...(may ? { onSubmit: store } : {})} />
        {error !== undefined && <Failure error={error} />}
        {known.warnings.length > 0 && !changed && (
          <Alert color="yellow" variant="light">
            {known.warnings.map((line) => (
              <div key={line}>{line}</div>
            ))}
          </Alert>
        )}
        <Group>
          {may && (
            <Button onClick={store} loading={busy} disabled={!changed || code.trim() === ""}>
              {t("save")}
            </Button>
          )}
          <Text c="dimmed" fz="sm" role="status">
            {busy ? t("create.busy") : changed ? t("unsaved") : `${t("version")} ${known.version}`}
          </Text>
        </Group>
      </Stack>
      {may && <Test account={account} id={known.id} stale={changed} />}
    </div>
  );
}
