import { Button, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { PanelsTopLeft, Plus } from "lucide-react";
import { useMemo, useState } from "react";

import { api, body } from "../api/client";
import { useAccount } from "../app/account";
import { Commands } from "../ui/Commands";
import { DataTable, type Column } from "../ui/DataTable";
import { FormModal } from "../ui/FormModal";
import { ago } from "../ui/format";
import { Page, Section } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { done } from "../ui/toast";
import { To } from "../ui/To";
import { assetsQuery, projectsQuery, stale, type Project } from "./api";
import { usePagesText } from "./strings";

export function List() {
  const t = usePagesText();
  const account = useAccount();
  const navigate = useNavigate();
  const projects = useQuery(projectsQuery(account));
  const assets = useQuery(assetsQuery(account));
  const [making, setMaking] = useState(false);
  const [name, setName] = useState("");
  const [branch, setBranch] = useState("main");

  const columns = useMemo<Column<Project>[]>(
    () => [
      {
        id: "name",
        header: t("name"),
        value: (row) => row.name,
        cell: (row) => (
          <To to="/a/$account/pages/$project" params={{ account, project: row.name }} fw={500}>
            {row.name}
          </To>
        ),
      },
      { id: "host", header: t("host"), wide: true, cell: (row) => <span className="mono">{row.domains[0] ?? row.subdomain}</span> },
      { id: "branch", header: t("branch"), wide: true, width: "9rem", cell: (row) => <Text c="dimmed">{row.production_branch}</Text> },
      {
        id: "latest",
        header: t("latest"),
        width: "9rem",
        align: "end",
        value: (row) => row.latest_deployment?.created_on ?? "",
        cell: (row) => <Text c="dimmed">{row.latest_deployment == null ? t("never") : ago(row.latest_deployment.created_on)}</Text>,
      },
    ],
    [t, account],
  );

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
      <Loaded query={projects}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={PanelsTopLeft} title={t("empty.title")} text={t("empty.text")}>
              <Button variant="default" onClick={begin}>
                {t("new")}
              </Button>
            </Empty>
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={rows}
              rowKey={(row) => row.name}
              text={(row) => `${row.name} ${row.domains.join(" ")}`}
              filterLabel={t("find")}
              sort={{ id: "name" }}
              onOpen={({ name: project }) => void navigate({ to: "/a/$account/pages/$project", params: { account, project } })}
            />
          )
        }
      </Loaded>
      {assets.data !== undefined && assets.data.length > 0 && (
        <Section title={t("assets.title")} text={t("assets.text")}>
          <DataTable
            label={t("assets.title")}
            columns={[
              {
                id: "name",
                header: t("worker"),
                cell: ({ id }) => (
                  <To to={`/a/${account}/workers/${id}` as string} fw={500}>
                    {id}
                  </To>
                ),
              },
              { id: "changed", header: t("changed"), width: "9rem", align: "end", cell: (row) => <Text c="dimmed">{ago(row.modified_on)}</Text> },
            ]}
            rows={assets.data}
            rowKey={({ id }) => id}
          />
        </Section>
      )}
      <Commands lines={["npx wrangler pages project create site --production-branch main", "npx wrangler pages deploy dist --project-name site"]} />
      <FormModal
        title={t("new")}
        opened={making}
        onClose={() => setMaking(false)}
        action={t("create")}
        ready={name.trim() !== "" && branch.trim() !== ""}
        submit={async () => {
          const sent = { name: name.trim(), production_branch: branch.trim() };
          await body(api.POST("/client/v4/accounts/{account}/pages/projects", { params: { path: { account } }, body: sent }));
          done(t("made", { name: sent.name }));
          await stale(account);
          await navigate({ to: "/a/$account/pages/$project", params: { account, project: sent.name }, search: { tab: "upload" } });
        }}
      >
        <TextInput label={t("name")} description={t("name.text")} value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus required spellCheck={false} autoComplete="off" />
        <TextInput label={t("branch")} value={branch} onChange={(event) => setBranch(event.currentTarget.value)} required spellCheck={false} autoComplete="off" />
      </FormModal>
    </Page>
  );
}
