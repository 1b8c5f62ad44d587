import { Breadcrumbs, Button, Group, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { File, Folder, FolderPlus, Search, Settings, Trash2 } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";

import { key, queries } from "../api/query";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { useChosen } from "../ui/chosen";
import { Commands } from "../ui/Commands";
import { useAsked } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { Drop, type Dropped } from "../ui/Drop";
import { FormModal } from "../ui/FormModal";
import { Facts } from "../ui/Facts";
import { ago, bytes, count } from "../ui/format";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { done } from "../ui/toast";
import { To } from "../ui/To";
import { listQuery, place, removeObjects, usageQuery, type Entry, type R2Object } from "./api";
import { ObjectDrawer } from "./Object";
import { useR2Text } from "./strings";
import { Uploads } from "./Uploads";
import { useUploads } from "./uploads";

/** Names that a question lists before the rest is a number. */
const NAMED = 8;

const idOf = (entry: Entry) => ("folder" in entry ? entry.folder : entry.object.key);

export function Objects() {
  const t = useR2Text();
  const account = useAccount();
  const navigate = useNavigate();
  const asked = useAsked();
  const { bucket = "" } = useParams({ strict: false });
  const { in: folder = "" } = useSearch({ strict: false }) as { in?: string };
  const [typed, setTyped] = useState("");
  const [begins] = useDebouncedValue(typed, 250);
  const list = useInfiniteQuery(listQuery(account, bucket, folder + begins));
  const usage = useQuery(usageQuery(account, bucket));
  const may = useMay("r2_items");
  const { chosen, clear, column: pick } = useChosen<Entry>((entry) =>
    "folder" in entry ? null : { id: entry.object.key, label: t("select", { name: entry.object.key }) },
  );
  const [open, setOpen] = useState<R2Object>();
  const [making, setMaking] = useState(false);
  const [name, setName] = useState("");
  const stale = useCallback(() => {
    void queries.invalidateQueries({ queryKey: key(account, "r2", bucket) });
  }, [account, bucket]);
  const uploads = useUploads(stale);
  useEffect(() => {
    clear();
    setTyped("");
  }, [folder, clear]);

  const { data, fetchNextPage, hasNextPage, isFetchingNextPage } = list;
  const rows = useMemo(() => data?.pages.flatMap(({ entries }) => entries) ?? [], [data]);
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const go = useCallback(
    (to: string) => void navigate({ to: "/a/$account/r2/$bucket", params: { account, bucket }, search: to === "" ? {} : { in: to } }),
    [navigate, account, bucket],
  );
  const put = (files: Dropped[]) =>
    uploads.add(
      files,
      (path) => folder + path,
      (own) => place(account, bucket, own),
    );

  const columns = useMemo<Column<Entry>[]>(
    () => [
      {
        id: "name",
        header: t("name"),
        width: "minmax(0, 3fr)",
        cell: (entry) => {
          const Icon = "folder" in entry ? Folder : File;
          return (
            <Group gap={8} wrap="nowrap">
              <Icon size={15} strokeWidth={1.6} aria-hidden style={{ flex: "none" }} />
              <span className="cut">{idOf(entry).slice(folder.length)}</span>
            </Group>
          );
        },
      },
      {
        id: "type",
        header: t("type"),
        wide: true,
        cell: (entry) => (
          <Text c="dimmed" fz="sm" className="cut">
            {"folder" in entry ? t("folder") : (entry.object.http_metadata.contentType ?? "")}
          </Text>
        ),
      },
      {
        id: "size",
        header: t("size"),
        width: "5.5rem",
        align: "end",
        cell: (entry) => ("folder" in entry ? null : bytes(entry.object.size)),
      },
      {
        id: "modified",
        header: t("modified"),
        wide: true,
        width: "9rem",
        align: "end",
        cell: (entry) => ("folder" in entry ? null : <Text c="dimmed">{ago(entry.object.last_modified)}</Text>),
      },
    ],
    [t, folder],
  );

  async function removeChosen() {
    const keys = [...chosen];
    const names = keys.slice(0, NAMED).join(", ") + (keys.length > NAMED ? " …" : "");
    const question = {
      title: t("deleteMany.title", { count: keys.length }),
      lost: t("deleteMany.lost", { names }),
      action: t("deleteSelected", { count: keys.length }),
    };
    await asked(question, async () => {
      await removeObjects(account, bucket, keys);
      done(t("deletedMany", { count: keys.length }));
      clear();
      stale();
    });
  }

  const steps = folder.split("/").slice(0, -1);
  return (
    <Page
      title={bucket}
      crumbs={[{ label: t("title"), to: `/a/${account}/r2` }]}
      actions={
        <>
          {may && (
          <Button
            variant="default"
            leftSection={<FolderPlus size={14} />}
            onClick={() => {
              setName("");
              setMaking(true);
            }}
          >
            {t("newFolder")}
          </Button>
          )}
          <Button
            variant="default"
            leftSection={<Settings size={14} />}
            component={Link}
            to="/a/$account/r2/$bucket/settings"
            params={{ account, bucket } as never}
          >
            {t("settings")}
          </Button>
        </>
      }
    >
      <Facts
        facts={[
          [t("objects"), usage.data === undefined ? "–" : count(Number(usage.data.objectCount))],
          [t("stored"), usage.data === undefined ? "–" : bytes(Number(usage.data.payloadSize))],
        ]}
      />
      {folder !== "" && (
        <nav aria-label={t("folders")}>
          <Breadcrumbs separator="/" separatorMargin={6} style={{ flexWrap: "wrap" }}>
            <To to="/a/$account/r2/$bucket" params={{ account, bucket }} search={{}}>
              {bucket}
            </To>
            {steps.map((step, at) => {
              const to = `${steps.slice(0, at + 1).join("/")}/`;
              return (
                <To key={to} to="/a/$account/r2/$bucket" params={{ account, bucket }} search={{ in: to }}>
                  {step === "" ? "∅" : step}
                </To>
              );
            })}
          </Breadcrumbs>
        </nav>
      )}
      {may && (
        <Drop
          text={t("drop", { folder: folder === "" ? t("top") : folder })}
          button={t("upload")}
          folderButton={t("uploadFolder")}
          onFiles={put}
        />
      )}
      <Uploads {...uploads} />
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
      <Loaded query={list}>
        {() =>
          rows.length === 0 ? (
            <Empty
              icon={begins === "" ? File : Search}
              title={begins === "" ? t("objects.empty.title") : t("objects.none")}
              text={begins === "" ? t("objects.empty.text") : folder + begins}
            />
          ) : (
            <div>
              <Text c="dimmed" fz="sm" mb={6} component="div" role="status">
                {hasNextPage ? t("shown.more", { count: count(rows.length) }) : t("shown", { count: rows.length })}
                {chosen.size > 0 && (
                  <Button ml="md" color="var(--bad)" variant="light" leftSection={<Trash2 size={13} />} onClick={() => void removeChosen()}>
                    {t("deleteSelected", { count: chosen.size })}
                  </Button>
                )}
              </Text>
              <DataTable
                label={t("objects")}
                columns={may ? [pick, ...columns] : columns}
                rows={rows}
                rowKey={idOf}
                onOpen={(entry) => ("folder" in entry ? go(entry.folder) : setOpen(entry.object))}
                onEnd={more}
              />
            </div>
          )
        }
      </Loaded>
      <Commands
        lines={[
          `npx wrangler r2 object put ${bucket}/${folder}photo.jpg --file photo.jpg --remote`,
          `npx wrangler r2 object get ${bucket}/${folder}photo.jpg --file photo.jpg --remote`,
          `aws s3 cp folder s3://${bucket}/${folder} --recursive --endpoint-url http://localhost:8788`,
        ]}
      />
      <ObjectDrawer account={account} bucket={bucket} object={open} onClose={() => setOpen(undefined)} onGone={stale} />
      <FormModal
        title={t("newFolder")}
        opened={making}
        onClose={() => setMaking(false)}
        action={t("open")}
        ready={name.replaceAll("/", "") !== ""}
        submit={() => {
          go(`${folder}${name.replace(/^\/+|\/+$/g, "")}/`);
          return Promise.resolve();
        }}
      >
        <TextInput
          label={t("name")}
          description={t("newFolder.text")}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus
          autoComplete="off"
          spellCheck={false}
        />
      </FormModal>
    </Page>
  );
}
