import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";

import { api, body } from "../api/client";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { Commands } from "../ui/Commands";
import { EndButton } from "../ui/EndButton";
import { useEnding } from "../ui/ListPage";
import { Page } from "../ui/Page";
import { Loaded } from "../ui/states";
import { Tabbed } from "../ui/Tabbed";
import { Out } from "../ui/To";
import { projectQuery, stale } from "./api";
import { Deployments } from "./Deployments";
import { Domains } from "./Domains";
import { Environment } from "./Environment";
import { usePagesText } from "./strings";
import { Upload } from "./Upload";

export function Project() {
  const t = usePagesText();
  const account = useAccount();
  const navigate = useNavigate();
  const { project = "" } = useParams({ strict: false });
  const ending = useEnding(t);
  const may = useMay("pages");
  const about = useQuery(projectQuery(account, project));
  const remove = () =>
    ending(project, async () => {
      await body(api.DELETE("/client/v4/accounts/{account}/pages/projects/{project}", { params: { path: { account, project } } }));
      await navigate({ to: "/a/$account/pages", params: { account } });
      await stale(account);
    });

  const live = about.data?.canonical_deployment;
  const url = live?.aliases[0] ?? live?.url;
  return (
    <Page
      title={project}
      crumbs={[{ label: t("title"), to: `/a/${account}/pages` }]}
      {...(about.data === undefined
        ? {}
        : {
            text: url === undefined ? <code>{about.data.subdomain}</code> : <Out href={url}>{url}</Out>,
          })}
      actions={may && <EndButton label={t("delete")} onClick={() => void remove()} />}
    >
      <Loaded query={about}>
        {(data) => (
          <Tabbed
            parts={[
              { id: "deployments", label: t("tab.deployments"), show: () => <Deployments account={account} project={data} /> },
              ...(may ? [{ id: "upload", label: t("tab.upload"), show: () => <Upload account={account} project={data} /> }] : []),
              { id: "domains", label: t("tab.domains"), show: () => <Domains account={account} project={data} /> },
              { id: "environment", label: t("tab.environment"), show: () => <Environment account={account} project={data} /> },
            ]}
          />
        )}
      </Loaded>
      <Commands
        lines={[
          `npx wrangler pages deploy dist --project-name ${project}`,
          `npx wrangler pages deployment list --project-name ${project}`,
          `npx wrangler pages secret put API_KEY --project-name ${project}`,
        ]}
      />
    </Page>
  );
}
