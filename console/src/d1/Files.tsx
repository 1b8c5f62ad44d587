import { Alert, Button, Group, Progress, Select, Stack, Text } from "@mantine/core";
import { Download, Undo2 } from "lucide-react";
import { useState } from "react";

import { Commands } from "../ui/Commands";
import { useAsked } from "../ui/confirm";
import { Drop } from "../ui/Drop";
import { Section } from "../ui/Page";
import { Failure } from "../ui/states";
import { done } from "../ui/toast";
import { download } from "../ui/transfer";
import { bookmark, exported, imported, restore, stale, type ImportStep } from "./api";
import { useD1Text } from "./strings";

interface Place {
  account: string;
  database: string;
  name: string;
}

export function Files(props: Place) {
  return (
    <Stack gap="xl" maw={680}>
      <Export {...props} />
      <Import {...props} />
      <Commands
        lines={[
          `npx wrangler d1 export ${props.name} --remote --output ${props.name}.sql`,
          `npx wrangler d1 execute ${props.name} --remote --file ${props.name}.sql`,
        ]}
      />
    </Stack>
  );
}

const WHAT = { all: {}, schema: { no_data: true }, data: { no_schema: true } } as const;

function Export({ account, database, name }: Place) {
  const t = useD1Text();
  const [what, setWhat] = useState<keyof typeof WHAT>("all");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  async function go() {
    setBusy(true);
    setError(undefined);
    try {
      const file = await exported(account, database, WHAT[what]);
      download(file.path, `${name}.sql`);
      done(t("export.done", { name }));
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  }
  return (
    <Section title={t("export.title")} text={t("export.text")}>
      <Group align="flex-end">
        <Select
          label={t("export.what")}
          value={what}
          onChange={(to) => setWhat((to ?? "all") as keyof typeof WHAT)}
          allowDeselect={false}
          data={[
            { value: "all", label: t("export.all") },
            { value: "schema", label: t("export.schema") },
            { value: "data", label: t("export.data") },
          ]}
        />
        <Button size="sm" leftSection={<Download size={14} />} loading={busy} onClick={() => void go()}>
          {t("export.action")}
        </Button>
      </Group>
      {error !== undefined && <Failure error={error} />}
    </Section>
  );
}

function Import({ account, database }: Place) {
  const t = useD1Text();
  const asked = useAsked();
  const [step, setStep] = useState<ImportStep & { name: string }>();
  const [error, setError] = useState<unknown>();
  const [finished, setFinished] = useState<{ text: string; before: string }>();

  async function go(file: File) {
    setError(undefined);
    setFinished(undefined);
    try {
      const before = await bookmark(account, database);
      const statements = await imported(account, database, file, (next) => setStep({ ...next, name: file.name }));
      setFinished({ text: t("import.done", { count: statements, name: file.name }), before });
      await stale(account, database);
    } catch (refused) {
      setError(refused);
    } finally {
      setStep(undefined);
    }
  }

  async function undo(to: string) {
    await asked({ title: t("undo.title"), lost: t("undo.lost"), action: t("undo.action") }, async () => {
      await restore(account, database, { bookmark: to });
      setFinished(undefined);
      done(t("undone"));
    });
  }

  return (
    <Section title={t("import.title")} text={t("import.text")}>
      <Stack gap="sm">
        <Drop
          text={t("import.drop")}
          button={t("import.choose")}
          onFiles={([first]) => {
            if (first !== undefined && step === undefined) void go(first.file);
          }}
        />
        {step !== undefined && (
          <div role="status">
            <Text fz="sm" mb={4}>
              {t(`import.${step.at}`, { name: step.name })}
            </Text>
            <Progress value={step.share * 100} animated={step.at === "running"} aria-label={t(`import.${step.at}`, { name: step.name })} />
          </div>
        )}
        {error !== undefined && <Failure error={error} />}
        {finished !== undefined && (
          <Alert color="gray" variant="light" role="status">
            <Group justify="space-between">
              {finished.text}
              <Button variant="default" leftSection={<Undo2 size={13} />} onClick={() => void undo(finished.before)}>
                {t("import.undo")}
              </Button>
            </Group>
          </Alert>
        )}
      </Stack>
    </Section>
  );
}
