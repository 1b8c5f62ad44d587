import { Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Globe, Trash2 } from "lucide-react";

import { api, body, result, type Schema } from "../../api/client";
import { useMay } from "../../app/rights";
import { useAsked } from "../../ui/confirm";
import { Section } from "../../ui/Page";
import { RowAction } from "../../ui/RowAction";
import { Empty, Loaded } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done } from "../../ui/toast";
import { changed, domainsQuery, type One } from "../one";
import { Rows } from "../settings/Rows";
import { useWorkersText } from "../strings";
import { Add } from "./Add";

const PATH = "/client/v4/accounts/{account}/workers/domains";

/** Hosts that are the worker's as a whole. */
export function Domains(props: { one: One }) {
  const t = useWorkersText();
  const words = useWords();
  const asked = useAsked();
  const may = useMay("workers");
  const { account, worker } = props.one;
  const domains = useQuery(domainsQuery(props.one));

  async function add(hostname: string) {
    await result(api.PUT(PATH, { params: { path: { account } }, body: { hostname, service: worker } }));
    await changed(props.one);
    done(words("saved"));
  }

  const remove = ({ id, hostname: name }: Schema<"Domain">) =>
    asked({ title: t("domain.remove", { name }), lost: t("route.remove.lost"), action: words("delete") }, async () => {
      await body(api.DELETE(`${PATH}/{domain}`, { params: { path: { account, domain: id } } }));
      await changed(props.one);
    });

  return (
    <Section title={t("domains")} text={t("domains.text")}>
      <Loaded query={domains} rows={2}>
        {(list) =>
          list.length === 0 ? (
            <Empty small icon={Globe} title={t("domains.none")} text={t("domains.none.text")} />
          ) : (
            <Rows
              rows={list.map((domain) => ({
                name: domain.hostname,
                value: (
                  <Anchor href={`${window.location.protocol}//${domain.hostname}`} target="_blank" rel="noreferrer" fz="sm">
                    {domain.zone_name}
                  </Anchor>
                ),
                actions: may && <RowAction icon={Trash2} label={`${words("delete")} ${domain.hostname}`} onClick={() => void remove(domain)} />,
              }))}
            />
          )
        }
      </Loaded>
      {may && <Add label={t("domain.add")} placeholder="app.example.com" ready add={add} />}
    </Section>
  );
}
