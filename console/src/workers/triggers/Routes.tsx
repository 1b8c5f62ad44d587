import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Trash2, Waypoints } from "lucide-react";

import { api, result } from "../../api/client";
import { useMay } from "../../app/rights";
import { useAsked } from "../../ui/confirm";
import { Section } from "../../ui/Page";
import { RowAction } from "../../ui/RowAction";
import { Empty, Loaded } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done } from "../../ui/toast";
import { changed, oneKey, type One } from "../one";
import { Rows } from "../settings/Rows";
import { useWorkersText } from "../strings";
import { Add } from "./Add";

const PATH = "/client/v4/accounts/{account}/workers/scripts/{worker}/routes";

/** Hosts and paths of zones that lead to the worker. */
export function Routes(props: { one: One }) {
  const t = useWorkersText();
  const words = useWords();
  const asked = useAsked();
  const may = useMay("workers_routes");
  const { one } = props;
  const routes = useQuery({
    queryKey: oneKey(one, "routes"),
    queryFn: () => result(api.GET(PATH, { params: { path: one } })),
  });

  async function replace(patterns: { pattern: string; zone_id?: string }[]) {
    await result(api.PUT(PATH, { params: { path: one }, body: patterns }));
    await changed(one);
    done(words("saved"));
  }

  const kept = (without?: string) =>
    (routes.data ?? [])
      .filter((route) => route.pattern !== without)
      .map((route) => ({ pattern: route.pattern, zone_id: route.zone_id }));

  const remove = (name: string) =>
    asked({ title: t("route.remove", { name }), lost: t("route.remove.lost"), action: words("delete") }, () => replace(kept(name)));

  return (
    <Section title={t("routes")} text={t("routes.text")}>
      <Loaded query={routes} rows={2}>
        {(list) =>
          list.length === 0 ? (
            <Empty small icon={Waypoints} title={t("routes.none")} text={t("routes.none.text")} />
          ) : (
            <Rows
              rows={list.map((route) => ({
                name: route.pattern,
                value: <Text c="dimmed">{route.zone_name}</Text>,
                actions: may && <RowAction icon={Trash2} label={`${words("delete")} ${route.pattern}`} onClick={() => void remove(route.pattern)} />,
              }))}
            />
          )
        }
      </Loaded>
      {may && (
        <Add
          label={t("route.add")}
          placeholder="example.com/api/*"
          ready={routes.data !== undefined}
          add={(pattern) => replace([...kept(), { pattern }])}
        />
      )}
    </Section>
  );
}
