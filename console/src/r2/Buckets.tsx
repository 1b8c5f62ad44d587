import { ActionIcon, Button, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Cylinder, Plus, Trash2 } from "lucide-react";
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
import { bucketsQuery, type Bucket } from "./api";
import { useR2Text } from "./strings";

export function Buckets() {
  const t = useR2Text();
  const w = useWords();
  const account = useAccount();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const buckets = useQuery(bucketsQuery(account));
  const [making, setMaking] = useState(false);
  const [name, setName] = useState("");

  const columns = useMemo<Column<Bucket>[]>(() => {
    async function remove(bucket: string) {
      const yes = await confirm({
        title: t("delete.title", { name: bucket }),
        lost: t("delete.lost"),
        action: t("delete.action"),
        typed: bucket,
      });
      if (!yes) return;
      try {
        await body(api.DELETE("/client/v4/accounts/{account}/r2/buckets/{bucket}", { params: { path: { account, bucket } } }));
        done(t("deleted", { name: bucket }));
        await queries.invalidateQueries({ queryKey: key(account, "r2") });
      } catch (error) {
        failed(error);
      }
    }
    return [
      {
        id: "name",
        header: t("name"),
        value: ({ name: own }) => own,
        cell: ({ name: own }) => (
          <To to="/a/$account/r2/$bucket" params={{ account, bucket: own }} fw={500}>
            {own}
          </To>
        ),
      },
      { id: "class", header: t("class"), wide: true, width: "10rem", cell: ({ storage_class: own }) => <Text c="dimmed">{own}</Text> },
      {
        id: "created",
        header: t("created"),
        width: "8rem",
        align: "end",
        value: ({ creation_date: when }) => when,
        cell: ({ creation_date: when }) => <Text c="dimmed">{ago(when)}</Text>,
      },
      {
        id: "do",
        header: "",
        width: "2rem",
        align: "end",
        cell: ({ name: own }) => (
          <ActionIcon variant="subtle" color="gray" aria-label={`${w("delete")} ${own}`} onClick={() => void remove(own)}>
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
      <Loaded query={buckets}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={Cylinder} title={t("empty.title")} text={t("empty.text")}>
              <Button variant="default" onClick={begin}>
                {t("new")}
              </Button>
            </Empty>
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={rows}
              rowKey={({ name: own }) => own}
              text={({ name: own }) => own}
              filterLabel={t("find")}
              sort={{ id: "name" }}
              onOpen={({ name: bucket }) => void navigate({ to: "/a/$account/r2/$bucket", params: { account, bucket } })}
            />
          )
        }
      </Loaded>
      <Commands lines={["npx wrangler r2 bucket create photos", "npx wrangler r2 bucket list"]} />
      <FormModal
        title={t("new")}
        opened={making}
        onClose={() => setMaking(false)}
        action={t("create")}
        ready={name.trim() !== ""}
        submit={async () => {
          const path = "/client/v4/accounts/{account}/r2/buckets";
          await body(api.POST(path, { params: { path: { account } }, body: { name: name.trim() } }));
          done(t("made", { name: name.trim() }));
          await queries.invalidateQueries({ queryKey: key(account, "r2", "buckets") });
        }}
      >
        <TextInput
          label={t("name")}
          description={t("name.text")}
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
