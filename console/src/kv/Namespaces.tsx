import { ActionIcon, Button, Group, TextInput, Tooltip } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { KeyRound, Pencil, Plus, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";

import { api, body } from "../api/client";
import { key, queries } from "../api/query";
import { useAccount } from "../app/account";
import { Commands } from "../ui/Commands";
import { useConfirm } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { FormModal } from "../ui/FormModal";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done, failed } from "../ui/toast";
import { To } from "../ui/To";
import { namespacesQuery, type Namespace } from "./api";
import { useKvText } from "./strings";

export function Namespaces() {
  const t = useKvText();
  const w = useWords();
  const account = useAccount();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const namespaces = useQuery(namespacesQuery(account));
  const [making, setMaking] = useState(false);
  const [renaming, setRenaming] = useState<Namespace>();
  const [name, setName] = useState("");
  const stale = () => queries.invalidateQueries({ queryKey: key(account, "kv", "namespaces") });

  const columns = useMemo<Column<Namespace>[]>(() => {
    async function remove({ id, title }: Namespace) {
      const yes = await confirm({
        title: t("delete.title", { name: title }),
        lost: t("delete.lost"),
        action: t("delete.action"),
        typed: title,
      });
      if (!yes) return;
      try {
        const params = { path: { account, namespace: id } };
        await body(api.DELETE("/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}", { params }));
        done(t("deleted", { name: title }));
        await queries.invalidateQueries({ queryKey: key(account, "kv") });
      } catch (error) {
        failed(error);
      }
    }
    return [
      {
        id: "title",
        header: t("name"),
        value: ({ title }) => title,
        cell: ({ id, title }) => (
          <To to="/a/$account/kv/$namespace" params={{ account, namespace: id }} fw={500}>
            {title}
          </To>
        ),
      },
      { id: "id", header: t("id"), wide: true, cell: ({ id }) => <code>{id}</code> },
      {
        id: "do",
        header: w("actions"),
        width: "5rem",
        align: "end",
        cell: (row) => (
          <Group gap={2} justify="flex-end" wrap="nowrap">
            <Tooltip label={t("rename")}>
              <ActionIcon
                variant="subtle"
                color="gray"
                aria-label={`${t("rename")} ${row.title}`}
                onClick={() => {
                  setName(row.title);
                  setRenaming(row);
                }}
              >
                <Pencil size={15} />
              </ActionIcon>
            </Tooltip>
            <Tooltip label={w("delete")}>
              <ActionIcon variant="subtle" color="gray" aria-label={`${w("delete")} ${row.title}`} onClick={() => void remove(row)}>
                <Trash2 size={15} />
              </ActionIcon>
            </Tooltip>
          </Group>
        ),
      },
    ];
  }, [t, w, account, confirm]);

  const begin = () => {
    setName("");
    setMaking(true);
  };
  const field = (
    <TextInput
      label={t("name")}
      value={name}
      onChange={(event) => setName(event.currentTarget.value)}
      data-autofocus
      required
      autoComplete="off"
      spellCheck={false}
    />
  );
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
      <Loaded query={namespaces}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={KeyRound} title={t("empty.title")} text={t("empty.text")}>
              <Button variant="default" onClick={begin}>
                {t("new")}
              </Button>
            </Empty>
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={rows}
              rowKey={({ id }) => id}
              text={({ id, title }) => `${title} ${id}`}
              filterLabel={t("find")}
              sort={{ id: "title" }}
              onOpen={({ id }) => void navigate({ to: "/a/$account/kv/$namespace", params: { account, namespace: id } })}
            />
          )
        }
      </Loaded>
      <Commands lines={["npx wrangler kv namespace create sessions", "npx wrangler kv namespace list"]} />
      <FormModal
        title={t("new")}
        opened={making}
        onClose={() => setMaking(false)}
        action={t("create")}
        ready={name.trim() !== ""}
        submit={async () => {
          await body(
            api.POST("/client/v4/accounts/{account}/storage/kv/namespaces", {
              params: { path: { account } },
              body: { title: name.trim() },
            }),
          );
          done(t("created", { name: name.trim() }));
          await stale();
        }}
      >
        {field}
      </FormModal>
      <FormModal
        title={t("rename.title", { name: renaming?.title ?? "" })}
        opened={renaming !== undefined}
        onClose={() => setRenaming(undefined)}
        action={t("rename")}
        ready={name.trim() !== ""}
        submit={async () => {
          if (renaming === undefined) return;
          await body(
            api.PUT("/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}", {
              params: { path: { account, namespace: renaming.id } },
              body: { title: name.trim() },
            }),
          );
          done(t("rename.done", { name: name.trim() }));
          await stale();
        }}
      >
        {field}
      </FormModal>
    </Page>
  );
}
