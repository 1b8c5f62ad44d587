import { ActionIcon, Button, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Database, Plus, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";

import { api, body } from "../api/client";
import { key, queries } from "../api/query";
import { useAccount } from "../app/account";
import { Commands } from "../ui/Commands";
import { useConfirm } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { FormModal } from "../ui/FormModal";
import { ago } from "../ui/format";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done, failed } from "../ui/toast";
import { To } from "../ui/To";
import { databasesQuery, type Listed } from "./api";
import { useD1Text } from "./strings";

export function Databases() {
  const t = useD1Text();
  const w = useWords();
  const account = useAccount();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const databases = useQuery(databasesQuery(account));
  const [making, setMaking] = useState(false);
  const [name, setName] = useState("");

  const columns = useMemo<Column<Listed>[]>(() => {
    async function remove({ uuid, name: own }: Listed) {
      const yes = await confirm({
        title: t("delete.title", { name: own }),
        lost: t("delete.lost"),
        action: t("delete.action"),
        typed: own,
      });
      if (!yes) return;
      try {
        const params = { path: { account, database: uuid } };
        await body(api.DELETE("/client/v4/accounts/{account}/d1/database/{database}", { params }));
        done(t("deleted", { name: own }));
        await queries.invalidateQueries({ queryKey: key(account, "d1") });
      } catch (error) {
        failed(error);
      }
    }
    return [
      {
        id: "name",
        header: t("name"),
        value: ({ name: own }) => own,
        cell: ({ name: own, uuid }) => (
          <To to="/a/$account/d1/$database" params={{ account, database: uuid }} fw={500}>
            {own}
          </To>
        ),
      },
      { id: "id", header: t("id"), wide: true, cell: ({ uuid }) => <code>{uuid}</code> },
      {
        id: "created",
        header: t("created"),
        width: "8rem",
        align: "end",
        value: ({ created_at: when }) => when,
        cell: ({ created_at: when }) => <Text c="dimmed">{ago(when)}</Text>,
      },
      {
        id: "do",
        header: "",
        width: "2rem",
        align: "end",
        cell: (row) => (
          <ActionIcon variant="subtle" color="gray" aria-label={`${w("delete")} ${row.name}`} onClick={() => void remove(row)}>
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
      <Loaded query={databases}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={Database} title={t("empty.title")} text={t("empty.text")}>
              <Button variant="default" onClick={begin}>
                {t("new")}
              </Button>
            </Empty>
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={rows}
              rowKey={({ uuid }) => uuid}
              text={({ uuid, name: own }) => `${own} ${uuid}`}
              filterLabel={t("find")}
              sort={{ id: "name" }}
              onOpen={({ uuid }) => void navigate({ to: "/a/$account/d1/$database", params: { account, database: uuid } })}
            />
          )
        }
      </Loaded>
      <Commands lines={["npx wrangler d1 create shop", "npx wrangler d1 migrations apply shop --remote"]} />
      <FormModal
        title={t("new")}
        opened={making}
        onClose={() => setMaking(false)}
        action={t("create")}
        ready={name.trim() !== ""}
        submit={async () => {
          const path = "/client/v4/accounts/{account}/d1/database";
          await body(api.POST(path, { params: { path: { account } }, body: { name: name.trim() } }));
          done(t("made", { name: name.trim() }));
          await queries.invalidateQueries({ queryKey: key(account, "d1", "databases") });
        }}
      >
        <TextInput
          label={t("name")}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus
          required
          autoComplete="off"
          spellCheck={false}
        />
      </FormModal>
    </Page>
  );
}
