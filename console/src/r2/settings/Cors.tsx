import { Checkbox, Group, NumberInput, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Globe } from "lucide-react";
import { useState } from "react";

import { FormModal } from "../../ui/FormModal";
import { useWords } from "../../ui/strings";
import { done } from "../../ui/toast";
import { replaceRules, rulesQuery, type Of } from "./api";
import { List } from "./List";
import { corsForm, corsRule, each, type CorsRule } from "./rules";
import { useSettingsText } from "./strings";

const METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"];

const nameOf = (rule: CorsRule) => rule.allowed.origins.join(", ");

export function Cors({ of }: { of: Of }) {
  const t = useSettingsText();
  const rules = useQuery(rulesQuery(of, "cors"));
  const [editing, setEditing] = useState<CorsRule | "new">();
  const present = rules.data ?? [];
  return (
    <>
      <List
        title={t("cors")}
        text={t("cors.text")}
        icon={Globe}
        empty={{ title: t("cors.none"), text: t("cors.none.text") }}
        query={rules}
        // They have no names, and two may be alike.
        rowKey={(rule) => String(present.indexOf(rule))}
        nameOf={nameOf}
        columns={[
          { id: "origins", header: t("origins"), cell: (rule) => <span className="mono cut">{nameOf(rule)}</span> },
          { id: "methods", header: t("methods"), cell: (rule) => rule.allowed.methods.join(", ") },
          { id: "headers", header: t("headers"), wide: true, cell: (rule) => rule.allowed.headers?.join(", ") ?? "" },
        ]}
        add={{ label: t("cors.add"), act: () => setEditing("new") }}
        edit={setEditing}
        remove={{
          question: (rule) => ({ title: t("cors.remove", { origins: nameOf(rule) }), lost: t("cors.lost"), action: t("rule.action") }),
          act: (rule) => replaceRules(of, "cors", present.filter((other) => other !== rule)),
        }}
      />
      {editing !== undefined && (
        <Edit of={of} present={present} {...(editing === "new" ? {} : { rule: editing })} onClose={() => setEditing(undefined)} />
      )}
    </>
  );
}

function Edit(props: { of: Of; present: CorsRule[]; rule?: CorsRule; onClose: () => void }) {
  const t = useSettingsText();
  const words = useWords();
  const { of, present, rule } = props;
  const [form, setForm] = useState(() => corsForm(rule));
  const set = (part: Partial<typeof form>) => setForm({ ...form, ...part });

  async function store() {
    const next = corsRule(form, rule);
    await replaceRules(of, "cors", rule === undefined ? [...present, next] : present.map((other) => (other === rule ? next : other)));
    done(words("saved"));
  }

  const lines = (name: "origins" | "headers" | "expose", rows: number) => (
    <Textarea
      label={t(name)}
      description={t(`${name}.text`)}
      value={form[name]}
      onChange={(event) => setForm({ ...form, [name]: event.currentTarget.value })}
      minRows={rows}
      autosize
      maxRows={8}
      spellCheck={false}
      data-autofocus={name === "origins"}
      className="mono"
    />
  );
  return (
    <FormModal
      title={rule === undefined ? t("cors.add") : t("cors.edit")}
      opened
      onClose={props.onClose}
      action={words("save")}
      ready={each(form.origins).length > 0 && form.methods.length > 0 && form.maxAge !== ""}
      submit={store}
    >
      {lines("origins", 2)}
      <Checkbox.Group label={t("methods")} value={form.methods} onChange={(methods) => set({ methods: METHODS.filter((one) => methods.includes(one)) })}>
        <Group mt={6} gap="md">
          {METHODS.map((method) => (
            <Checkbox key={method} value={method} label={method} />
          ))}
        </Group>
      </Checkbox.Group>
      {lines("headers", 1)}
      {lines("expose", 1)}
      <NumberInput label={t("maxAge")} value={form.maxAge} onChange={(maxAge) => set({ maxAge })} min={0} max={86_400} allowDecimal={false} />
    </FormModal>
  );
}
