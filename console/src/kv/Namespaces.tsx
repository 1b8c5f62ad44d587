import { Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { KeyRound, Pencil, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";

import { api, body } from "../api/client";
import { key, queries } from "../api/query";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import type { Column } from "../ui/DataTable";
import { ListPage, useEnding, useMaking } from "../ui/ListPage";
import { NameForm } from "../ui/NameForm";
import { RowAction } from "../ui/RowAction";
import { useWords } from "../ui/strings";
import { done } from "../ui/toast";
import { To } from "../ui/To";
import { namespacesQuery, type Namespace } from "./api";
import { useKvText } from "./strings";

const PATH = "/client/v4/accounts/{account}/storage/kv/namespaces";

export function Namespaces() {
  const t = useKvText();
  const w = useWords();
  const account = useAccount();
  const navigate = useNavigate();
  const ending = useEnding(t);
  const [renaming, setRenaming] = useState<Namespace>();
  const stale = () => queries.invalidateQueries({ queryKey: key(account, "kv", "namespaces") });
  const making = useMaking(t, async (title) => {
    await body(api.POST(PATH, { params: { path: { account } }, body: { title } }));
    await stale();
  });
  const end = ({ id, title }: Namespace) =>
    ending(title, async () => {
      await body(api.DELETE(`${PATH}/{namespace}`, { params: { path: { account, namespace: id } } }));
      await queries.invalidateQueries({ queryKey: key(account, "kv") });
    });

  const columns = useMemo<Column<Namespace>[]>(
    () => [
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
    ],
    [t, account],
  );
  return (
    <ListPage
      t={t}
      text={t("text")}
      icon={KeyRound}
      query={useQuery(namespacesQuery(account))}
      columns={columns}
      may={useMay("kv")}
      rowKey={({ id }) => id}
      search={({ id, title }) => `${title} ${id}`}
      sort="title"
      onOpen={({ id }) => void navigate({ to: "/a/$account/kv/$namespace", params: { account, namespace: id } })}
      begin={making.begin}
      actions={{
        id: "do",
        header: w("actions"),
        width: "5rem",
        align: "end",
        cell: (row) => (
          <Group gap={2} justify="flex-end" wrap="nowrap">
            <RowAction icon={Pencil} tip={t("rename")} label={`${t("rename")} ${row.title}`} onClick={() => setRenaming(row)} />
            <RowAction icon={Trash2} tip={w("delete")} label={`${w("delete")} ${row.title}`} onClick={() => void end(row)} />
          </Group>
        ),
      }}
      commands={["npx wrangler kv namespace create sessions", "npx wrangler kv namespace list"]}
    >
      {making.form}
      <NameForm
        title={t("rename.title", { name: renaming?.title ?? "" })}
        opened={renaming !== undefined}
        onClose={() => setRenaming(undefined)}
        action={t("rename")}
        label={t("name")}
        present={renaming?.title ?? ""}
        submit={async (title) => {
          if (renaming === undefined) return;
          await body(api.PUT(`${PATH}/{namespace}`, { params: { path: { account, namespace: renaming.id } }, body: { title } }));
          done(t("rename.done", { name: title }));
          await stale();
        }}
      />
    </ListPage>
  );
}
