import { Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { PanelsTopLeft } from "lucide-react";
import { useMemo, useState } from "react";

import { api, body } from "../api/client";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { DataTable, type Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { ListPage } from "../ui/ListPage";
import { NameForm } from "../ui/NameForm";
import { Section } from "../ui/Page";
import { done } from "../ui/toast";
import { To } from "../ui/To";
import { assetsQuery, projectsQuery, stale, type Project } from "./api";
import { usePagesText } from "./strings";

export function List() {
  const t = usePagesText();
  const account = useAccount();
  const navigate = useNavigate();
  const [making, setMaking] = useState(false);
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

  return (
    <ListPage
      t={t}
      text={t("text")}
      icon={PanelsTopLeft}
      query={useQuery(projectsQuery(account))}
      columns={columns}
      may={useMay("pages")}
      rowKey={(row) => row.name}
      search={(row) => `${row.name} ${row.domains.join(" ")}`}
      sort="name"
      onOpen={({ name: project }) => void navigate({ to: "/a/$account/pages/$project", params: { account, project } })}
      begin={{ label: t("new"), act: () => setMaking(true) }}
      commands={["npx wrangler pages project create site --production-branch main", "npx wrangler pages deploy dist --project-name site"]}
      more={<Assets account={account} />}
    >
      <NameForm
        title={t("new")}
        opened={making}
        onClose={() => setMaking(false)}
        action={t("create")}
        label={t("name")}
        hint={t("name.text")}
        ready={branch.trim() !== ""}
        submit={async (name) => {
          const sent = { name, production_branch: branch.trim() };
          await body(api.POST("/client/v4/accounts/{account}/pages/projects", { params: { path: { account } }, body: sent }));
          done(t("made", { name }));
          await stale(account);
          await navigate({ to: "/a/$account/pages/$project", params: { account, project: name }, search: { tab: "upload" } });
        }}
      >
        <TextInput label={t("branch")} value={branch} onChange={(event) => setBranch(event.currentTarget.value)} required spellCheck={false} autoComplete="off" />
      </NameForm>
    </ListPage>
  );
}

/** Workers whose files are served the same way, which have pages of their own. */
function Assets({ account }: { account: string }) {
  const t = usePagesText();
  const { data: workers = [] } = useQuery(assetsQuery(account));
  if (workers.length === 0) return null;
  return (
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
        rows={workers}
        rowKey={({ id }) => id}
      />
    </Section>
  );
}
