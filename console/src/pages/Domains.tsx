import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Globe, Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { api, body } from "../api/client";
import { useMay } from "../app/rights";
import { useAsked } from "../ui/confirm";
import { DataTable } from "../ui/DataTable";
import { ago } from "../ui/format";
import { NameForm } from "../ui/NameForm";
import { RowAction } from "../ui/RowAction";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done } from "../ui/toast";
import { domainsQuery, stale, type Project } from "./api";
import { usePagesText } from "./strings";

export function Domains(props: { account: string; project: Project }) {
  const t = usePagesText();
  const w = useWords();
  const asked = useAsked();
  const may = useMay("pages");
  const { account } = props;
  const project = props.project.name;
  const domains = useQuery(domainsQuery(account, project));
  const [adding, setAdding] = useState(false);

  function remove(domain: string) {
    const question = { title: t("domains.delete.title", { name: domain }), lost: t("domains.delete.lost"), action: t("domains.delete.action") };
    return asked(question, async () => {
      const params = { path: { account, project, domain } };
      await body(api.DELETE("/client/v4/accounts/{account}/pages/projects/{project}/domains/{domain}", { params }));
      done(t("domains.deleted", { name: domain }));
      await stale(account);
    });
  }

  return (
    <Stack gap="sm">
      {may && (
        <Group>
          <Button variant="default" leftSection={<Plus size={13} />} onClick={() => setAdding(true)}>
            {t("domains.add")}
          </Button>
        </Group>
      )}
      <Loaded query={domains}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={Globe} title={t("domains.empty.title")} text={t("domains.empty.text", { host: props.project.subdomain })} />
          ) : (
            <DataTable
              label={t("tab.domains")}
              rows={rows}
              rowKey={({ id }) => id}
              columns={[
                { id: "name", header: t("domains.name"), cell: (row) => <span className="mono">{row.name}</span> },
                { id: "status", header: t("status"), width: "7rem", cell: (row) => <Badge color="teal">{row.status}</Badge> },
                { id: "when", header: t("changed"), wide: true, width: "9rem", align: "end", cell: (row) => <Text c="dimmed">{ago(row.created_on)}</Text> },
                {
                  id: "do",
                  header: "",
                  width: "2rem",
                  align: "end",
                  cell: (row) =>
                    may && <RowAction icon={Trash2} label={`${w("delete")} ${row.name}`} onClick={() => void remove(row.name)} />,
                },
              ]}
            />
          )
        }
      </Loaded>
      <NameForm
        title={t("domains.add")}
        opened={adding}
        onClose={() => setAdding(false)}
        action={t("domains.add")}
        label={t("domains.name")}
        hint={t("domains.name.text")}
        placeholder="www.example.com"
        submit={async (name) => {
          const params = { path: { account, project } };
          await body(api.POST("/client/v4/accounts/{account}/pages/projects/{project}/domains", { params, body: { name } }));
          done(t("domains.added", { name }));
          await stale(account);
        }}
      />
    </Stack>
  );
}
