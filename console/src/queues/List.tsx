import { ActionIcon, Badge, Button, Group, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { ListOrdered, Plus, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";

import { api, body } from "../api/client";
import { useAccount } from "../app/account";
import { Commands } from "../ui/Commands";
import { useConfirm } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { FormModal } from "../ui/FormModal";
import { ago, count } from "../ui/format";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done, failed } from "../ui/toast";
import { To } from "../ui/To";
import { queuesQuery, stale, type Queue } from "./api";
import { useQueuesText } from "./strings";

export function List() {
  const t = useQueuesText();
  const w = useWords();
  const account = useAccount();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const queues = useQuery(queuesQuery(account));
  const [making, setMaking] = useState(false);
  const [name, setName] = useState("");

  const columns = useMemo<Column<Queue>[]>(() => {
    async function remove({ queue_id: queue, queue_name: own }: Queue) {
      const yes = await confirm({ title: t("delete.title", { name: own }), lost: t("delete.lost"), action: t("delete.action"), typed: own });
      if (!yes) return;
      try {
        await body(api.DELETE("/client/v4/accounts/{account}/queues/{queue}", { params: { path: { account, queue } } }));
        done(t("deleted", { name: own }));
        await stale(account);
      } catch (error) {
        failed(error);
      }
    }
    return [
      {
        id: "name",
        header: t("name"),
        value: ({ queue_name: own }) => own,
        cell: ({ queue_id: queue, queue_name: own, settings }) => (
          <Group gap="xs" wrap="nowrap">
            <To to="/a/$account/queues/$queue" params={{ account, queue }} fw={500} className="cut">
              {own}
            </To>
            {settings.delivery_paused && <Badge color="yellow">{t("paused")}</Badge>}
          </Group>
        ),
      },
      { id: "producers", header: t("producers"), wide: true, width: "7rem", align: "end", value: (row) => row.producers_total_count, cell: (row) => count(row.producers_total_count) },
      { id: "consumers", header: t("consumers"), width: "7rem", align: "end", value: (row) => row.consumers_total_count, cell: (row) => count(row.consumers_total_count) },
      { id: "created", header: t("created"), wide: true, width: "9rem", align: "end", value: (row) => row.created_on, cell: (row) => <Text c="dimmed">{ago(row.created_on)}</Text> },
      {
        id: "do",
        header: "",
        width: "2rem",
        align: "end",
        cell: (row) => (
          <ActionIcon variant="subtle" color="gray" aria-label={`${w("delete")} ${row.queue_name}`} onClick={() => void remove(row)}>
            <Trash2 size={15} />
          </ActionIcon>
        ),
      },
    ];
  }, [t, w, account, confirm]);

  const begin = () => {
    setName("");
    setMaking(true);
  };
  return (
    <Page
      title={t("title")}
      text={t("text")}
      actions={
        <Button leftSection={<Plus size={14} />} onClick={begin}>
          {t("new")}
        </Button>
      }
    >
      <Loaded query={queues}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={ListOrdered} title={t("empty.title")} text={t("empty.text")}>
              <Button variant="default" onClick={begin}>
                {t("new")}
              </Button>
            </Empty>
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={rows}
              rowKey={(row) => row.queue_id}
              text={(row) => row.queue_name}
              filterLabel={t("find")}
              sort={{ id: "name" }}
              onOpen={({ queue_id: queue }) => void navigate({ to: "/a/$account/queues/$queue", params: { account, queue } })}
            />
          )
        }
      </Loaded>
      <Commands lines={["npx wrangler queues create orders", "npx wrangler queues list"]} />
      <FormModal
        title={t("new")}
        opened={making}
        onClose={() => setMaking(false)}
        action={t("create")}
        ready={name.trim() !== ""}
        submit={async () => {
          const path = "/client/v4/accounts/{account}/queues";
          await body(api.POST(path, { params: { path: { account } }, body: { queue_name: name.trim() } }));
          done(t("made", { name: name.trim() }));
          await stale(account);
        }}
      >
        <TextInput label={t("name")} value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus required autoComplete="off" spellCheck={false} />
      </FormModal>
    </Page>
  );
}
