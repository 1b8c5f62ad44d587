import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";

import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { Barred } from "../ui/Barred";
import { bytes, count } from "../ui/format";
import { Facts } from "../ui/Facts";
import { Page } from "../ui/Page";
import { Loaded } from "../ui/states";
import { useTab } from "../ui/tab";
import { Tabbed } from "../ui/Tabbed";
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
  // All that reads rows is SQL, which may change them: the API takes the right to change for it.
  const may = useMay("d1");
  const [, go] = useTab(["tables", "sql"]);
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
            <Tabbed
              parts={[
                {
                  id: "tables",
                  label: t("tab.tables"),
                  show: () =>
                    may ? <Tables account={account} database={database} toSql={() => go("sql")} /> : <Barred text={t("barred")} />,
                },
                ...(may ? [{ id: "sql", label: t("tab.sql"), show: () => <Sql account={account} database={database} name={name} /> }] : []),
                { id: "travel", label: t("tab.travel"), show: () => <Travel account={account} database={database} name={name} /> },
                ...(may
                  ? [{ id: "files", label: t("tab.files"), show: () => <Files account={account} database={database} name={name} /> }]
                  : []),
              ]}
            />
          </>
        )}
      </Loaded>
    </Page>
  );
}
