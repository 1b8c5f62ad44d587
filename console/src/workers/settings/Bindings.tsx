import { Badge, Button, Group, Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Cable, Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { key } from "../../api/query";
import { useMay } from "../../app/rights";
import { useAsked } from "../../ui/confirm";
import { FormModal } from "../../ui/FormModal";
import { Section } from "../../ui/Page";
import { RowAction } from "../../ui/RowAction";
import { Empty } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done } from "../../ui/toast";
import type { One } from "../one";
import { useWorkersText } from "../strings";
import { changeBindings, type Binding, type WorkerSettings } from "./change";
import { Rows } from "./Rows";
import { boundTo, KINDS, MEMBER, targets, type Kind } from "./targets";

const OWN_LISTS = new Set(["plain_text", "json", "secret_text"]);

/** What the worker can reach: namespaces, buckets, databases, queues, other workers. */
export function Bindings(props: { one: One; settings: WorkerSettings }) {
  const t = useWorkersText();
  const words = useWords();
  const asked = useAsked();
  const may = useMay("workers");
  const [adding, setAdding] = useState(false);
  const bindings = props.settings.bindings.filter(({ type }) => !OWN_LISTS.has(type));

  const remove = ({ name }: Binding) =>
    asked({ title: t("binding.remove", { name }), lost: t("binding.remove.lost"), action: words("delete") }, async () => {
      await changeBindings(props.one, props.settings, { remove: [name] });
      done(words("saved"));
    });

  return (
    <Section
      title={t("bindings")}
      text={t("bindings.text")}
      actions={
        may && (
          <Button variant="default" leftSection={<Plus size={14} />} onClick={() => setAdding(true)}>
            {t("binding.add")}
          </Button>
        )
      }
    >
      {bindings.length === 0 ? (
        <Empty small icon={Cable} title={t("bindings.none")} text={t("bindings.none.text")} />
      ) : (
        <Rows
          rows={bindings.map((binding) => ({
            name: binding.name,
            value: (
              <Group gap="xs" wrap="nowrap">
                <Badge color="gray">{binding.type}</Badge>
                <span className="cut mono">{boundTo(binding)}</span>
              </Group>
            ),
            actions: may && <RowAction icon={Trash2} label={`${words("delete")} ${binding.name}`} onClick={() => void remove(binding)} />,
          }))}
        />
      )}
      {adding && <Add {...props} onClose={() => setAdding(false)} />}
    </Section>
  );
}

function Add(props: { one: One; settings: WorkerSettings; onClose: () => void }) {
  const t = useWorkersText();
  const words = useWords();
  const { account } = props.one;
  const [kind, setKind] = useState<Kind>("kv_namespace");
  const [name, setName] = useState("");
  const [target, setTarget] = useState<string | null>(null);
  const found = useQuery({ queryKey: key(account, "targets", kind), queryFn: () => targets(account, kind) });

  return (
    <FormModal
      opened
      onClose={props.onClose}
      title={t("binding.add")}
      action={t("saveDeploy")}
      ready={target !== null}
      submit={async () => {
        await changeBindings(props.one, props.settings, { add: [{ name, type: kind, [MEMBER[kind]]: target }] });
        done(words("saved"));
      }}
    >
      <Select
        label={t("binding.kind")}
        data={KINDS.map((value) => ({ value, label: t(`kind.${value}`) }))}
        value={kind}
        onChange={(value) => {
          setKind((value ?? kind) as Kind);
          setTarget(null);
        }}
        allowDeselect={false}
      />
      <Select
        label={t("binding.to")}
        data={found.data ?? []}
        value={target}
        onChange={setTarget}
        searchable
        placeholder={found.isPending ? words("loading") : undefined}
        nothingFoundMessage={t("binding.nothing")}
        error={found.error !== null ? t("binding.failed") : undefined}
      />
      <TextInput
        label={t("binding.name")}
        description={t("binding.name.text", { name: name === "" ? "NAME" : name })}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        required
        withAsterisk={false}
      />
    </FormModal>
  );
}
