import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";

import { useAccount } from "../app/account";
import { bytes, count } from "../ui/format";
import { Facts } from "../ui/Facts";
import { Page } from "../ui/Page";
import { Loaded } from "../ui/states";
import { useTab } from "../ui/tab";
import { databaseQuery } from "./api";
import { Files } from "./Files";
import { Sql } from "./Sql";
import { useD1Text } from "./strings";
import { Tables } from "./Tables";
import { Travel } from "./Travel";

export function Detail() {
  const t = useD1Text();
  const account = useAccount();
  const { database = "" } = useParams({ strict: false });
  const about = useQuery(databaseQuery(account, database));
  const [tab, setTab] = useTab(["tables", "sql", "travel", "files"]);
  return (
    <Page title={about.data?.name ?? database} crumbs={[{ label: t("title"), to: `/a/${account}/d1` }]} text={<code>{database}</code>} wide>
      <Loaded query={about}>
        {({ file_size: size, num_tables: tables, name }) => (
          <>
            <Facts
              facts={[
                [t("size"), bytes(size)],
                [t("tables"), count(tables)],
              ]}
            />
            <Tabs value={tab} onChange={setTab}>
              <Tabs.List mb="md">
                <Tabs.Tab value="tables">{t("tab.tables")}</Tabs.Tab>
                <Tabs.Tab value="sql">{t("tab.sql")}</Tabs.Tab>
                <Tabs.Tab value="travel">{t("tab.travel")}</Tabs.Tab>
                <Tabs.Tab value="files">{t("tab.files")}</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="tables">
                <Tables account={account} database={database} toSql={() => setTab("sql")} />
              </Tabs.Panel>
              <Tabs.Panel value="sql">
                <Sql account={account} database={database} name={name} />
              </Tabs.Panel>
              <Tabs.Panel value="travel">
                <Travel account={account} database={database} name={name} />
              </Tabs.Panel>
              <Tabs.Panel value="files">
                <Files account={account} database={database} name={name} />
              </Tabs.Panel>
            </Tabs>
          </>
        )}
      </Loaded>
    </Page>
  );
}
