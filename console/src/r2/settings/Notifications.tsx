import { Checkbox, Select, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Bell } from "lucide-react";
import { useState } from "react";

import { queuesQuery } from "../../queues/api";
import { FormModal } from "../../ui/FormModal";
import { useWords } from "../../ui/strings";
import { done } from "../../ui/toast";
import { To } from "../../ui/To";
import { ACTIONS, addNotification, notificationsQuery, removeNotification, type NewNotification, type Notification, type Of } from "./api";
import { List } from "./List";
import { useSettingsText } from "./strings";

export function Notifications({ of }: { of: Of }) {
  const t = useSettingsText();
  const told = useQuery(notificationsQuery(of));
  const [adding, setAdding] = useState(false);
  const events = (actions: string[]) =>
    actions
      .map((action) => {
        const known = ACTIONS.find((one) => one === action);
        return known === undefined ? action : t(`event.${known}`);
      })
      .join(", ");
  const keys = ({ prefix, suffix }: Notification) => (prefix === "" && suffix === "" ? t("prefix.all") : `${prefix}…${suffix}`);
  return (
    <>
      <List
        title={t("notifications")}
        text={t("notifications.text")}
        icon={Bell}
        empty={{ title: t("notifications.none"), text: t("notifications.none.text") }}
        query={told}
        rowKey={({ id }) => id}
        nameOf={({ queueName, actions }) => `${queueName}: ${events(actions)}`}
        columns={[
          {
            id: "queue",
            header: t("queue"),
            cell: ({ queue, queueName }) => (
              <To to="/a/$account/queues/$queue" params={{ account: of.account, queue }} className="cut">
                {queueName}
              </To>
            ),
          },
          { id: "events", header: t("events"), width: "minmax(0, 1.6fr)", cell: ({ actions }) => <span className="cut">{events(actions)}</span> },
          { id: "keys", header: t("keys"), wide: true, cell: (one) => <span className="cut">{keys(one)}</span> },
          { id: "about", header: t("description"), wide: true, cell: ({ description }) => <span className="cut">{description}</span> },
        ]}
        add={{ label: t("notification.add"), act: () => setAdding(true) }}
        remove={{
          question: ({ queueName }) => ({
            title: t("notification.remove", { queue: queueName }),
            lost: t("notification.lost"),
            action: t("notification.action"),
          }),
          act: (one) => removeNotification(of, one),
        }}
      />
      {adding && <Add of={of} onClose={() => setAdding(false)} />}
    </>
  );
}

const NEW: NewNotification = { queue: "", actions: ["PutObject", "CompleteMultipartUpload", "CopyObject"], prefix: "", suffix: "", description: "" };

function Add(props: { of: Of; onClose: () => void }) {
  const t = useSettingsText();
  const words = useWords();
  const queues = useQuery(queuesQuery(props.of.account));
  const [form, setForm] = useState(NEW);
  const set = (part: Partial<NewNotification>) => setForm({ ...form, ...part });
  const text = (name: "prefix" | "suffix" | "description") => (
    <TextInput
      label={t(name)}
      value={form[name]}
      onChange={(event) => setForm({ ...form, [name]: event.currentTarget.value })}
      autoComplete="off"
      spellCheck={false}
    />
  );
  return (
    <FormModal
      title={t("notification.add")}
      opened
      onClose={props.onClose}
      action={words("add")}
      ready={form.queue !== "" && form.actions.length > 0}
      submit={async () => {
        await addNotification(props.of, form);
        done(words("saved"));
      }}
    >
      <Select
        label={t("queue")}
        {...(queues.data?.length === 0 ? { description: t("queue.none") } : {})}
        data={(queues.data ?? []).map(({ queue_id: value, queue_name: label }) => ({ value, label }))}
        value={form.queue === "" ? null : form.queue}
        onChange={(queue) => set({ queue: queue ?? "" })}
        searchable
      />
      <Checkbox.Group label={t("events")} value={form.actions} onChange={(actions) => set({ actions: ACTIONS.filter((one) => actions.includes(one)) })}>
        <Stack gap={6} mt={6}>
          {ACTIONS.map((action) => (
            <Checkbox key={action} value={action} label={t(`event.${action}`)} />
          ))}
        </Stack>
      </Checkbox.Group>
      {text("prefix")}
      {text("suffix")}
      {text("description")}
    </FormModal>
  );
}
