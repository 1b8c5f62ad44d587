import { ActionIcon, Anchor, Button, Group, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Globe, Trash2 } from "lucide-react";
import { useState, type FormEvent } from "react";

import { all, api, body, result, type Schema } from "../../api/client";
import { useConfirm } from "../../ui/confirm";
import { Section } from "../../ui/Page";
import { Empty, Failure, Loaded } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done, failed } from "../../ui/toast";
import { changed, oneKey, type One } from "../one";
import { Rows } from "../settings/Rows";
import { useWorkersText } from "../strings";

const PATH = "/client/v4/accounts/{account}/workers/domains";

/** Hosts that are the worker's as a whole. */
export function Domains(props: { one: One }) {
  const t = useWorkersText();
  const words = useWords();
  const confirm = useConfirm();
  const { account, worker } = props.one;
  const [hostname, setHostname] = useState("");
  const [error, setError] = useState<unknown>();
  const domains = useQuery({
    queryKey: oneKey(props.one, "domains"),
    queryFn: () => all((query) => api.GET(PATH, { params: { path: { account }, query: { ...query, service: worker } } })),
  });

  async function add(event: FormEvent) {
    event.preventDefault();
    setError(undefined);
    try {
      const wanted = { hostname: hostname.trim(), service: worker };
      await result(api.PUT(PATH, { params: { path: { account } }, body: wanted }));
      await changed(props.one);
      setHostname("");
      done(words("saved"));
    } catch (fault) {
      setError(fault);
    }
  }

  async function remove({ id, hostname: name }: Schema<"Domain">) {
    if (!(await confirm({ title: t("domain.remove", { name }), lost: t("route.remove.lost"), action: words("delete") }))) return;
    try {
      await body(api.DELETE(`${PATH}/{domain}`, { params: { path: { account, domain: id } } }));
      await changed(props.one);
    } catch (fault) {
      failed(fault);
    }
  }

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
                actions: (
                  <ActionIcon variant="subtle" color="gray" aria-label={`${words("delete")} ${domain.hostname}`} onClick={() => void remove(domain)}>
                    <Trash2 size={14} />
                  </ActionIcon>
                ),
              }))}
            />
          )
        }
      </Loaded>
      <form onSubmit={(event) => void add(event)}>
        <Group mt="sm" align="flex-end" gap="xs">
          <TextInput
            label={t("domain.add")}
            placeholder="app.example.com"
            value={hostname}
            onChange={(event) => setHostname(event.currentTarget.value)}
            required
            withAsterisk={false}
            flex="1 1 16rem"
            maw={420}
          />
          <Button type="submit" size="sm" variant="default">
            {words("add")}
          </Button>
        </Group>
        {error !== undefined && <Failure error={error} />}
      </form>
    </Section>
  );
}
