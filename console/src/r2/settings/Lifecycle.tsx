import { useQuery } from "@tanstack/react-query";
import { CalendarClock } from "lucide-react";
import { useState } from "react";

import { useConfirm } from "../../ui/confirm";
import { FormModal } from "../../ui/FormModal";
import { useWords } from "../../ui/strings";
import { done } from "../../ui/toast";
import { replaceRules, rulesQuery, type Of } from "./api";
import { Common, State, WhenField } from "./fields";
import { List } from "./List";
import { isWhole, lifecycleForm, lifecycleRule, type LifecycleRule } from "./rules";
import { useSettingsText } from "./strings";

const PARTS = ["expire", "move", "abort"] as const;

export function Lifecycle({ of }: { of: Of }) {
  const t = useSettingsText();
  const rules = useQuery(rulesQuery(of, "lifecycle"));
  const [editing, setEditing] = useState<LifecycleRule | "new">();
  const present = rules.data ?? [];
  const told = (rule: LifecycleRule) => {
    const form = lifecycleForm(rule);
    const parts = PARTS.filter((part) => form[part].kind !== "none").map((part) =>
      form[part].kind === "age"
        ? t(`${part}.age`, { count: Number(form[part].days) })
        : t(`${part}.date`, { day: form[part].date.slice(0, 10) }),
    );
    return parts.length === 0 ? t("nothing") : parts.join(" · ");
  };
  return (
    <>
      <List
        title={t("lifecycle")}
        text={t("lifecycle.text")}
        icon={CalendarClock}
        empty={{ title: t("lifecycle.none"), text: t("lifecycle.none.text") }}
        query={rules}
        rowKey={({ id }) => id}
        nameOf={({ id }) => id}
        columns={[
          { id: "name", header: t("name"), cell: ({ id }) => <span className="cut">{id}</span> },
          { id: "prefix", header: t("prefix"), wide: true, cell: ({ conditions }) => <Keys prefix={conditions?.prefix} /> },
          { id: "what", header: t("what"), width: "minmax(0, 1.6fr)", cell: (rule) => <span className="cut">{told(rule)}</span> },
          { id: "state", header: t("state"), width: "4.5rem", cell: ({ enabled }) => <State on={enabled} /> },
        ]}
        add={{ label: t("lifecycle.add"), act: () => setEditing("new") }}
        edit={setEditing}
        remove={{
          question: ({ id }) => ({ title: t("rule.remove", { name: id }), lost: t("lifecycle.rule.lost"), action: t("rule.action") }),
          act: (rule) => replaceRules(of, "lifecycle", present.filter((other) => other !== rule)),
        }}
      />
      {editing !== undefined && (
        <Edit of={of} present={present} {...(editing === "new" ? {} : { rule: editing })} onClose={() => setEditing(undefined)} />
      )}
    </>
  );
}

export function Keys({ prefix }: { prefix: string | undefined }) {
  const t = useSettingsText();
  return prefix === undefined || prefix === "" ? t("prefix.all") : <span className="mono cut">{prefix}</span>;
}

function Edit(props: { of: Of; present: LifecycleRule[]; rule?: LifecycleRule; onClose: () => void }) {
  const t = useSettingsText();
  const words = useWords();
  const confirm = useConfirm();
  const { of, present, rule } = props;
  const [form, setForm] = useState(() => lifecycleForm(rule));
  const set = (part: Partial<typeof form>) => setForm({ ...form, ...part });

  async function store() {
    const next = lifecycleRule(form, rule);
    await replaceRules(of, "lifecycle", rule === undefined ? [...present, next] : present.map((other) => (other === rule ? next : other)));
    done(words("saved"));
  }

  return (
    <FormModal
      title={rule === undefined ? t("lifecycle.add") : t("lifecycle.edit")}
      opened
      onClose={props.onClose}
      action={words("save")}
      ready={form.id.trim() !== "" && PARTS.every((part) => isWhole(form[part])) && PARTS.some((part) => form[part].kind !== "none")}
      submit={async () => {
        const question = { title: t("lifecycle.ask", { name: form.id }), lost: t("lifecycle.lost"), action: t("lifecycle.action") };
        if (form.enabled && form.expire.kind !== "none" && !(await confirm(question))) return false;
        await store();
        return true;
      }}
    >
      <Common value={form} onChange={set} named={rule !== undefined} />
      {PARTS.map((part) => (
        <WhenField
          key={part}
          label={t(part)}
          words={{ none: t("when.none"), age: t("when.age"), date: t("when.date") }}
          value={form[part]}
          onChange={(when) => setForm({ ...form, [part]: when })}
        />
      ))}
    </FormModal>
  );
}
