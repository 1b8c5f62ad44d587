// What surrounds the pages of one worker: its name, where it is served, and tabs.
import { Anchor, Button, Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { Ellipsis, ExternalLink, Trash2 } from "lucide-react";

import { api, result } from "../api/client";
import { key, queries } from "../api/query";
import { useMay } from "../app/rights";
import { useConfirm } from "../ui/confirm";
import { Page } from "../ui/Page";
import { useWords } from "../ui/strings";
import { done, failed } from "../ui/toast";
import { subdomainQuery, useOne } from "./one";
import { useWorkersText } from "./strings";
import classes from "./Worker.module.css";

const TABS = [
  ["/a/$account/workers/$worker", "tab.metrics"],
  ["/a/$account/workers/$worker/deployments", "tab.deployments"],
  ["/a/$account/workers/$worker/assets", "tab.assets"],
  ["/a/$account/workers/$worker/logs", "tab.logs"],
  ["/a/$account/workers/$worker/settings", "tab.settings"],
  ["/a/$account/workers/$worker/triggers", "tab.triggers"],
  ["/a/$account/workers/$worker/access", "tab.access"],
  ["/a/$account/workers/$worker/edit", "tab.edit"],
] as const;

export function Worker() {
  const t = useWorkersText();
  const words = useWords();
  const one = useOne();
  const confirm = useConfirm();
  const navigate = useNavigate();
  const may = useMay("workers");
  const subdomain = useQuery(subdomainQuery(one));
  const url = subdomain.data?.enabled === true ? subdomain.data.url : null;

  async function remove() {
    const { worker } = one;
    if (!(await confirm({ title: t("remove.title", { worker }), lost: t("remove.lost"), action: t("remove"), typed: worker }))) {
      return;
    }
    try {
      await result(
        api.DELETE("/client/v4/accounts/{account}/workers/scripts/{worker}", {
          params: { path: one, query: { force: true } } as { path: typeof one },
        }),
      );
    } catch (error) {
      failed(error);
      return;
    }
    await queries.invalidateQueries({ queryKey: key(one.account, "workers") });
    done(t("removed", { worker }));
    await navigate({ to: "/a/$account/workers", params: { account: one.account } });
  }

  return (
    <Page
      title={one.worker}
      crumbs={[{ label: t("title"), to: `/a/${one.account}/workers` }]}
      wide
      badge={
        url !== null && (
          <Anchor href={url} target="_blank" rel="noreferrer" fz="sm" className={classes.url}>
            {url.replace(/^https?:\/\//, "")}
            <ExternalLink size={12} />
          </Anchor>
        )
      }
      actions={
        may && (
          <Menu position="bottom-end">
            <Menu.Target>
              <Button variant="default" px={8} aria-label={words("actions")}>
                <Ellipsis size={16} />
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item color="red" leftSection={<Trash2 size={14} />} onClick={() => void remove()}>
                {t("remove")}
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        )
      }
    >
      <nav className={classes.tabs} aria-label={one.worker}>
        {TABS.map(([to, label]) => (
          <Link
            key={to}
            to={to}
            params={one}
            className={classes.tab}
            activeOptions={{ exact: true }}
            activeProps={{ "aria-current": "page" }}
          >
            {t(label)}
          </Link>
        ))}
      </nav>
      <Outlet />
    </Page>
  );
}
