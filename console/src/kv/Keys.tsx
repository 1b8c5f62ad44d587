import { Button, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { KeyRound, Plus, Search, Trash2 } from "lucide-react";
import { useCallback, useMemo, useState } from "react";

import { key, queries } from "../api/query";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { useChosen } from "../ui/chosen";
import { Commands } from "../ui/Commands";
import { useAsked } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { ago, count } from "../ui/format";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { done } from "../ui/toast";
import { keysQuery, namespaceQuery, removeKeys, type Key } from "./api";
import { useKvText } from "./strings";
import { ValueDrawer } from "./Value";

/** Names that a question lists before the rest is a number. */
const NAMED = 8;

export function Keys() {
  const t = useKvText();
  const account = useAccount();
  const { namespace = "" } = useParams({ strict: false });
  const asked = useAsked();
  const about = useQuery(namespaceQuery(account, namespace));
  const [typed, setTyped] = useState("");
  const [prefix] = useDebouncedValue(typed, 250);
  const keys = useInfiniteQuery(keysQuery(account, namespace, prefix));
  const may = useMay("kv");
  const { chosen, clear, column: pick } = useChosen<Key>(({ name: own }) => ({ id: own, label: t("select", { key: own }) }));
  const [open, setOpen] = useState<string>();
  const [adding, setAdding] = useState(false);

  const { data, fetchNextPage, hasNextPage, isFetchingNextPage } = keys;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.keys) ?? [], [data]);
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  const columns = useMemo<Column<Key>[]>(
    () => [
      { id: "key", header: t("key"), width: "minmax(0, 2fr)", cell: ({ name }) => <span className="mono">{name}</span> },
      {
        id: "metadata",
        header: t("metadata"),
        wide: true,
        cell: ({ metadata }) =>
          metadata === undefined || metadata === null ? null : (
            <Text c="dimmed" fz="sm" className="mono cut">
              {JSON.stringify(metadata)}
            </Text>
          ),
      },
      {
        id: "expires",
        header: t("expires"),
        width: "8rem",
        align: "end",
        cell: ({ expiration }) => (expiration === undefined ? null : <Text c="dimmed" fz="sm">{ago(expiration * 1000)}</Text>),
      },
    ],
    [t],
  );

  async function removeChosen() {
    const names = [...chosen];
    const listed = names.slice(0, NAMED).join(", ") + (names.length > NAMED ? " …" : "");
    const question = {
      title: t("deleteKeys.title", { count: names.length }),
      lost: t("deleteKeys.lost", { names: listed }),
      action: t("deleteSelected", { count: names.length }),
    };
    await asked(question, async () => {
      await removeKeys(account, namespace, names);
      done(t("deletedKeys", { count: names.length }));
      clear();
      await queries.invalidateQueries({ queryKey: key(account, "kv", namespace, "keys") });
    });
  }

  const name = about.data?.title ?? namespace;
  const flag = `--namespace-id ${namespace}`;
  return (
    <Page
      title={name}
      crumbs={[{ label: t("title"), to: `/a/${account}/kv` }]}
      text={<code>{namespace}</code>}
      actions={
        may && (
          <Button leftSection={<Plus size={14} />} onClick={() => setAdding(true)}>
            {t("addKey")}
          </Button>
        )
      }
    >
      <TextInput
        type="search"
        leftSection={<Search size={14} />}
        aria-label={t("prefix")}
        placeholder={t("prefix")}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        maw={420}
        spellCheck={false}
      />
      <Loaded query={keys}>
        {() =>
          rows.length === 0 ? (
            prefix === "" ? (
              <Empty icon={KeyRound} title={t("keys.empty.title")} text={t("keys.empty.text")}>
                {may && (
                  <Button variant="default" onClick={() => setAdding(true)}>
                    {t("addKey")}
                  </Button>
                )}
              </Empty>
            ) : (
              <Empty icon={Search} title={t("keys.none.title")} text={t("keys.none.text")} />
            )
          ) : (
            <div>
              <Text c="dimmed" fz="sm" mb={6} role="status">
                {hasNextPage ? t("shown.more", { count: count(rows.length) }) : t("shown", { count: rows.length })}
                {chosen.size > 0 && (
                  <Button
                    ml="md"
                    color="var(--bad)"
                    variant="light"
                    leftSection={<Trash2 size={13} />}
                    onClick={() => void removeChosen()}
                  >
                    {t("deleteSelected", { count: chosen.size })}
                  </Button>
                )}
              </Text>
              <DataTable
                label={t("title")}
                columns={may ? [pick, ...columns] : columns}
                rows={rows}
                rowKey={({ name: own }) => own}
                onOpen={({ name: own }) => setOpen(own)}
                onEnd={more}
              />
            </div>
          )
        }
      </Loaded>
      <Commands
        lines={[
          `npx wrangler kv key list ${flag}${prefix === "" ? "" : ` --prefix ${prefix}`}`,
          `npx wrangler kv key put ${flag} greeting hello --ttl 3600`,
          `npx wrangler kv key get ${flag} greeting --text`,
          `npx wrangler kv bulk put ${flag} values.json`,
        ]}
      />
      <ValueDrawer
        account={account}
        namespace={namespace}
        opened={adding || open !== undefined}
        {...(open === undefined ? {} : { name: open })}
        onClose={() => {
          setAdding(false);
          setOpen(undefined);
        }}
      />
    </Page>
  );
}
