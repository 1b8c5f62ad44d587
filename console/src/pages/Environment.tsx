import { Badge, Button, Group, PasswordInput, SegmentedControl, Stack, Text, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { useMay } from "../app/rights";
import { useAsked } from "../ui/confirm";
import { DataTable } from "../ui/DataTable";
import { FormModal } from "../ui/FormModal";
import { RowAction } from "../ui/RowAction";
import { useSending } from "../ui/sending";
import { Failure } from "../ui/states";
import { useWords } from "../ui/strings";
import { done } from "../ui/toast";
import { patch, type Project, type Where } from "./api";
import { usePagesText } from "./strings";

type Variable = { type?: "plain_text" | "secret_text"; value?: string };

export function Environment(props: { account: string; project: Project }) {
  const t = usePagesText();
  const w = useWords();
  const asked = useAsked();
  const may = useMay("pages");
  const { account, project } = props;
  const [where, setWhere] = useState<Where>("production");
  const [adding, setAdding] = useState(false);
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const [kind, setKind] = useState<"plain_text" | "secret_text">("plain_text");
  const variables = Object.entries((project.deployment_configs[where].env_vars ?? {}) as Record<string, Variable>).sort(([one], [other]) =>
    one.localeCompare(other),
  );
  const change = (vars: Record<string, Variable | null>) => patch(account, project.name, { deployment_configs: { [where]: { env_vars: vars } } });

  const remove = (variable: string) =>
    asked({ title: t("env.delete.title", { name: variable }), lost: t("env.delete.lost"), action: t("env.delete.action") }, async () => {
      await change({ [variable]: null });
      done(t("env.saved"));
    });

  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <SegmentedControl
          size="xs"
          aria-label={t("environment")}
          value={where}
          onChange={(to) => setWhere(to as Where)}
          data={[
            { value: "production", label: t("production") },
            { value: "preview", label: t("preview") },
          ]}
        />
        {may && (
          <Button
            variant="default"
            leftSection={<Plus size={13} />}
            onClick={() => {
              setName("");
              setValue("");
              setAdding(true);
            }}
          >
            {t("env.add")}
          </Button>
        )}
      </Group>
      <Text c="dimmed" fz="sm">
        {t("env.text")}
      </Text>
      {variables.length === 0 ? (
        <Text c="dimmed">{t("env.none")}</Text>
      ) : (
        <DataTable
          label={t("tab.environment")}
          rows={variables}
          rowKey={([own]) => own}
          columns={[
            { id: "name", header: t("env.variable"), cell: ([own]) => <span className="mono">{own}</span> },
            {
              id: "value",
              header: t("env.value"),
              cell: ([, own]) =>
                own.type === "secret_text" ? <Badge>{`${t("env.secret")}, ${t("env.secret.kept")}`}</Badge> : <span className="mono">{own.value}</span>,
            },
            {
              id: "do",
              header: "",
              width: "2rem",
              align: "end",
              cell: ([own]) =>
                may && <RowAction icon={Trash2} label={`${w("delete")} ${own}`} onClick={() => void remove(own)} />,
            },
          ]}
        />
      )}
      {may && <Branch account={account} project={project} />}
      <FormModal
        title={t("env.add")}
        opened={adding}
        onClose={() => setAdding(false)}
        action={t("save")}
        ready={name.trim() !== ""}
        submit={async () => {
          await change({ [name.trim()]: { type: kind, value } });
          done(t("env.saved"));
        }}
      >
        <SegmentedControl
          size="xs"
          aria-label={t("env.kind")}
          value={kind}
          onChange={(to) => setKind(to as typeof kind)}
          data={[
            { value: "plain_text", label: t("env.plain") },
            { value: "secret_text", label: t("env.secret") },
          ]}
        />
        <TextInput label={t("env.variable")} value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus required spellCheck={false} autoComplete="off" />
        {kind === "secret_text" ? (
          <PasswordInput label={t("env.value")} value={value} onChange={(event) => setValue(event.currentTarget.value)} autoComplete="off" />
        ) : (
          <TextInput label={t("env.value")} value={value} onChange={(event) => setValue(event.currentTarget.value)} spellCheck={false} autoComplete="off" />
        )}
      </FormModal>
    </Stack>
  );
}

function Branch(props: { account: string; project: Project }) {
  const t = usePagesText();
  const { account, project } = props;
  const [branch, setBranch] = useState(project.production_branch);
  const { busy, error, send } = useSending();
  const store = () =>
    send(async () => {
      await patch(account, project.name, { production_branch: branch.trim() });
      done(t("env.saved"));
    });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void store();
      }}
    >
      <Group align="flex-end" mt="md">
        <TextInput label={t("branch")} value={branch} onChange={(event) => setBranch(event.currentTarget.value)} spellCheck={false} />
        <Button type="submit" variant="default" size="sm" loading={busy} disabled={branch.trim() === "" || branch === project.production_branch}>
          {t("save")}
        </Button>
      </Group>
      {error !== undefined && <Failure error={error} compact />}
    </form>
  );
}
