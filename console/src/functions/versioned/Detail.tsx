import { Badge, Select, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";

import { apiOf, body, type Schema } from "../../api/client";
import { key } from "../../api/query";
import { useAccount } from "../../app/account";
import { useMay } from "../../app/rights";
import { Editor } from "../../ui/editor";
import { Loaded } from "../../ui/states";
import { Out } from "../../ui/To";
import { TestPanel } from "../../workers/edit/TestPanel";
import { caller, versionedOneQuery, workerIdQuery } from "../api";
import classes from "../Desk.module.css";
import { FunctionPage } from "../FunctionPage";
import { useFunctionsText } from "../strings";
import { Deploy } from "./Deploy";
import { Versions } from "./Versions";

type Known = Schema<"DeployedFunction">;

export function Detail() {
  const t = useFunctionsText();
  const account = useAccount();
  const { name = "" } = useParams({ strict: false });
  return (
    <FunctionPage
      account={account}
      about={versionedOneQuery(account, name)}
      nameOf={({ funcName }) => funcName}
      name={name}
      badge={({ state }) => state != null && <Badge color={state === "running" ? "teal" : "gray"}>{t(`state.${state}`)}</Badge>}
      text={({ accessUrl: url }) => <Out href={url}>{url}</Out>}
      parts={(known) => [
        { id: "versions", label: t("tab.versions"), show: () => <Versions account={account} known={known} /> },
        { id: "code", label: t("tab.code"), show: () => <Code account={account} known={known} /> },
      ]}
      end={() => body(apiOf(account).DELETE("/api/deploy/{name}", { params: { path: { name } } }))}
      commands={() => [
        `curl ${window.location.origin}/api/rollback/${name} ${caller(account)} \\\n  -H "Content-Type: application/json" -d '{"version": "v1"}'`,
        `curl -X POST ${window.location.origin}/api/stop/${name} ${caller(account)}`,
        `npx wrangler tail ${name}`,
      ]}
    />
  );
}

function Code(props: { account: string; known: Known }) {
  const t = useFunctionsText();
  const { account, known } = props;
  const name = known.funcName;
  const may = useMay("workers");
  const [from, setFrom] = useState<string | null>(known.latest);
  const [changed, setChanged] = useState(false);
  const worker = useQuery(workerIdQuery(account, name));
  const version = from ?? known.versions[0]?.version ?? "";
  const source = useQuery({
    queryKey: key(account, "functions", "versioned", name, "code", version),
    queryFn: () => body(apiOf(account).GET("/api/deploy/{name}", { params: { path: { name }, query: { version } } })),
    staleTime: Infinity,
  });
  return (
    <div className={classes.desk}>
      <Stack gap="sm" className={classes.code}>
        <Select
          label={t("from")}
          value={version}
          onChange={setFrom}
          data={known.versions.map(({ version: one }) => one)}
          allowDeselect={false}
          maw={280}
        />
        <Loaded query={source}>
          {(data) =>
            may ? (
              <Deploy
                key={version}
                account={account}
                name={name}
                begin={{ code: data.code ?? "", env: data.env_vars ?? {}, idleTimeout: known.idle_timeout }}
                action={t("deploy")}
                onChanged={setChanged}
                onDone={() => setFrom(null)}
              />
            ) : (
              <Editor label={t("code")} language="javascript" value={data.code ?? ""} height="27rem" />
            )
          }
        </Loaded>
      </Stack>
      {may && worker.data != null && <TestPanel one={{ account, worker: worker.data }} stale={changed} />}
    </div>
  );
}
