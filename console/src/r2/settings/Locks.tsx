import { useQuery } from "@tanstack/react-query";
import { Lock } from "lucide-react";
import { useState } from "react";

import { FormModal } from "../../ui/FormModal";
import { useWords } from "../../ui/strings";
import { done } from "../../ui/toast";
import { replaceRules, rulesQuery, type Of } from "./api";
import { Common, State, WhenField } from "./fields";
import { Keys } from "./Lifecycle";
import { List } from "./List";
import { isWhole, lockForm, lockRule, type LockRule } from "./rules";
import { useSettingsText } from "./strings";

export function Locks({ of }: { of: Of }) {
  const t = useSettingsText();
  const rules = useQuery(rulesQuery(of, "lock"));
  const [editing, setEditing] = useState<LockRule | "new">();
  const present = rules.data ?? [];
  const until = (rule: LockRule) => {
    const { kind, days, date } = lockForm(rule).until;
    if (kind === "none") return t("until.none");
    return kind === "age" ? t("until.age.of", { count: Number(days) }) : t("until.date.of", { day: date.slice(0, 10) });
  };
  return (
    <>
      <List
        title={t("locks")}
        text={t("locks.text")}
        icon={Lock}
        empty={{ title: t("locks.none"), text: t("locks.none.text") }}
        query={rules}
        rowKey={({ id }) => id}
        nameOf={({ id }) => id}
        columns={[
          { id: "name", header: t("name"), cell: ({ id }) => <span className="cut">{id}</span> },
          { id: "prefix", header: t("prefix"), wide: true, cell: ({ prefix }) => <Keys prefix={prefix} /> },
          { id: "until", header: t("until"), width: "minmax(0, 1.6fr)", cell: (rule) => <span className="cut">{until(rule)}</span> },
          { id: "state", header: t("state"), width: "4.5rem", cell: ({ enabled }) => <State on={enabled} /> },
        ]}
        add={{ label: t("lock.add"), act: () => setEditing("new") }}
        edit={setEditing}
        remove={{
          question: ({ id }) => ({ title: t("rule.remove", { name: id }), lost: t("lock.lost"), action: t("rule.action") }),
          act: (rule) => replaceRules(of, "lock", present.filter((other) => other !== rule)),
        }}
      />
      {editing !== undefined && (
        <Edit of={of} present={present} {...(editing === "new" ? {} : { rule: editing })} onClose={() => setEditing(undefined)} />
      )}
    </>
  );
}

function Edit(props: { of: Of; present: LockRule[]; rule?: LockRule; onClose: () => void }) {
  const t = useSettingsText();
  const words = useWords();
  const { of, present, rule } = props;
  const [form, setForm] = useState(() => lockForm(rule));
  const set = (part: Partial<typeof form>) => setForm({ ...form, ...part });
  return (
    <FormModal
      title={rule === undefined ? t("lock.add") : t("lock.edit")}
      opened
      onClose={props.onClose}
      action={words("save")}
      ready={form.id.trim() !== "" && isWhole(form.until)}
      submit={async () => {
        const next = lockRule(form);
        await replaceRules(of, "lock", rule === undefined ? [...present, next] : present.map((other) => (other === rule ? next : other)));
        done(words("saved"));
      }}
    >
      <Common value={form} onChange={set} named={rule !== undefined} />
      <WhenField
        label={t("until")}
        words={{ none: t("until.none"), age: t("until.age"), date: t("until.date") }}
        value={form.until}
        onChange={(until) => set({ until })}
      />
    </FormModal>
  );
}
