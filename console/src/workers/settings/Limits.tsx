import { Button, Fieldset, Group, NumberInput, Paper, Stack, TagsInput, TextInput } from "@mantine/core";
import { useState } from "react";

import { useMay } from "../../app/rights";
import { Section } from "../../ui/Page";
import { useSending } from "../../ui/sending";
import { Failure } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done } from "../../ui/toast";
import type { One } from "../one";
import { useWorkersText } from "../strings";
import { changeSettings, type WorkerSettings } from "./change";

/** How much a request may take, and which runtime the worker asks for. */
export function Limits(props: { one: One; settings: WorkerSettings }) {
  const t = useWorkersText();
  const words = useWords();
  const { settings } = props;
  const may = useMay("workers");
  const [cpu, setCpu] = useState<number | string>(settings.limits?.cpu_ms ?? "");
  const [memory, setMemory] = useState<number | string>(settings.limits?.memory_mb ?? "");
  const [date, setDate] = useState(settings.compatibility_date ?? "");
  const [flags, setFlags] = useState(settings.compatibility_flags ?? []);
  const { busy, error, send } = useSending();

  const save = () =>
    send(async () => {
      await changeSettings(props.one, {
        limits: {
          ...settings.limits,
          ...(cpu === "" ? {} : { cpu_ms: Number(cpu) }),
          ...(memory === "" ? {} : { memory_mb: Number(memory) }),
        },
        ...(date === "" ? {} : { compatibility_date: date }),
        compatibility_flags: flags,
      });
      done(words("saved"));
    });

  return (
    <Section title={t("limits")} text={t("limits.text")}>
      <Paper p="md">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void save();
          }}
        >
          <Fieldset variant="unstyled" disabled={!may}>
            <Stack>
              {error !== undefined && <Failure error={error} />}
              <Group grow align="flex-start" preventGrowOverflow={false}>
                <NumberInput label={t("limits.cpu")} suffix=" ms" min={1} value={cpu} onChange={setCpu} placeholder={t("limits.default")} />
                <NumberInput label={t("limits.memory")} suffix=" MiB" min={1} value={memory} onChange={setMemory} placeholder={t("limits.default")} />
                <TextInput
                  label={t("compat.date")}
                  value={date}
                  onChange={(event) => setDate(event.currentTarget.value)}
                  placeholder="2026-01-01"
                  pattern="\d{4}-\d{2}-\d{2}"
                />
              </Group>
              <TagsInput label={t("compat.flags")} value={flags} onChange={setFlags} placeholder="nodejs_compat" />
              <Group justify="flex-end">
                <Button type="submit" loading={busy}>
                  {t("saveDeploy")}
                </Button>
              </Group>
            </Stack>
          </Fieldset>
        </form>
      </Paper>
    </Section>
  );
}
