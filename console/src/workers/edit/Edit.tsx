import { Alert, Button, Group, SegmentedControl, Select, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useBlocker } from "@tanstack/react-router";
import { Rocket } from "lucide-react";
import { useEffect, useState } from "react";

import { queries } from "../../api/query";
import { useMay } from "../../app/rights";
import { Commands } from "../../ui/Commands";
import { useConfirm } from "../../ui/confirm";
import { Editor, type EditorLanguage } from "../../ui/editor";
import { Failure, Loaded } from "../../ui/states";
import { done } from "../../ui/toast";
import { useOne, WRANGLER, type One } from "../one";
import { useWorkersText } from "../strings";
import classes from "./Edit.module.css";
import { deployCode, sourceQuery, SyntaxFault, typed, type Source } from "./source";
import { TestPanel } from "./TestPanel";

/** Code beside a request that tries it. */
export function Edit() {
  const one = useOne();
  const source = useQuery(sourceQuery(one));
  return (
    <Loaded query={source} rows={8}>
      {(found) => <Desk key={source.dataUpdatedAt} one={one} source={found} />}
    </Loaded>
  );
}

function languageOf(name: string): EditorLanguage {
  if (name.endsWith(".ts")) return "typescript";
  if (name.endsWith(".json")) return "json";
  if (name.endsWith(".py")) return "python";
  return /\.(m?js|jsx)$/.test(name) ? "javascript" : "text";
}

function Desk(props: { one: One; source: Source }) {
  const t = useWorkersText();
  const confirm = useConfirm();
  const may = useMay("workers");
  const [source, setSource] = useState(props.source);
  const [name, setName] = useState(props.source.main);
  const [changedHere, setChanged] = useState(false);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const module = source.modules.find((one) => one.name === name);
  const main = source.modules.find((one) => one.name === source.main);
  const isTyped = source.main.endsWith(".ts");

  useBlocker({
    shouldBlockFn: async () =>
      changedHere && !(await confirm({ title: t("edit.leave"), lost: t("edit.leave.lost"), action: t("edit.leave.do") })),
    enableBeforeUnload: () => changedHere,
  });

  // Each deployment is of what is on the screen when it is asked for.
  useEffect(() => setError(undefined), [source]);

  function change(text: string) {
    setChanged(true);
    setSource((now) => ({ ...now, modules: now.modules.map((one) => (one.name === name ? { ...one, text } : one)) }));
  }

  function speak(language: string) {
    if (main === undefined || (language === "ts") === isTyped) return;
    const to = language === "ts" ? typed(main.name) : main.name.replace(/\.ts$/, ".js");
    const type = language === "ts" ? "text/plain" : "application/javascript+module";
    setChanged(true);
    setName(to);
    setSource({
      main: to,
      modules: source.modules.map((one) => (one === main ? { ...one, name: to, type } : one)),
    });
  }

  async function deploy() {
    setBusy(true);
    setError(undefined);
    try {
      await deployCode(props.one, source);
      // What was deployed is what the editor has; it need not be fetched.
      queries.setQueryData(sourceQuery(props.one).queryKey, source);
      setChanged(false);
      done(t("edit.deployed"));
    } catch (fault) {
      setError(fault);
    } finally {
      setBusy(false);
    }
  }

  return (
    <Stack gap="sm">
      <div className={classes.desk}>
        <div className={classes.code}>
          <Group gap="xs" mb="xs">
            {source.modules.length > 1 ? (
              <Select
                aria-label={t("edit.module")}
                data={source.modules.map((one) => one.name)}
                value={name}
                onChange={(to) => setName(to ?? name)}
                allowDeselect={false}
                size="xs"
                w={220}
              />
            ) : (
              <code>{name}</code>
            )}
            {may && /\.(js|ts)$/.test(source.main) && (
              <SegmentedControl
                size="xs"
                aria-label={t("edit.language")}
                value={isTyped ? "ts" : "js"}
                onChange={speak}
                data={[
                  { value: "js", label: "JavaScript" },
                  { value: "ts", label: "TypeScript" },
                ]}
              />
            )}
            <Group gap="xs" ml="auto">
              {changedHere && (
                <Text c="dimmed" fz="sm">
                  {t("edit.changed")}
                </Text>
              )}
              {may && (
                <Button leftSection={<Rocket size={14} />} onClick={() => void deploy()} loading={busy} disabled={!changedHere}>
                  {t("edit.deploy")}
                </Button>
              )}
            </Group>
          </Group>
          {error instanceof SyntaxFault ? (
            <Alert color="red" title={t("edit.syntax")} role="alert" mb="xs">
              <code>{error.message}</code>
            </Alert>
          ) : (
            error !== undefined && <Failure error={error} />
          )}
          {module?.text === undefined ? (
            <Text c="dimmed">{t("edit.binary")}</Text>
          ) : (
            <Editor
              key={name}
              label={name}
              language={languageOf(name)}
              value={module.text}
              readOnly={!may}
              onChange={change}
              {...(may ? { onSubmit: () => void deploy() } : {})}
              height="34rem"
            />
          )}
        </div>
        {may && <TestPanel one={props.one} stale={changedHere} />}
      </div>
      <Commands lines={[...WRANGLER, `npx wrangler init --from-dash ${props.one.worker}`, "npx wrangler deploy"]} />
    </Stack>
  );
}
