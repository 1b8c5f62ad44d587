import { Anchor, Paper, Stack, Switch, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";

import { api, result } from "../../api/client";
import { useMay } from "../../app/rights";
import { Section } from "../../ui/Page";
import { Loaded } from "../../ui/states";
import { failed } from "../../ui/toast";
import { changed, subdomainQuery, type One } from "../one";
import { useWorkersText } from "../strings";

/** The host that each worker has of itself, and those of its versions. */
export function Subdomain(props: { one: One }) {
  const t = useWorkersText();
  const { one } = props;
  const may = useMay("workers");
  const subdomain = useQuery(subdomainQuery(one));
  const set = useMutation({
    mutationFn: async (to: { enabled: boolean; previews_enabled: boolean }) => {
      const call = api.POST("/client/v4/accounts/{account}/workers/scripts/{worker}/subdomain", {
        params: { path: one },
        body: to,
      });
      await result(call);
      await changed(one);
    },
    onError: failed,
  });
  return (
    <Section title={t("host")} text={t("host.text")}>
      <Loaded query={subdomain} rows={2}>
        {({ enabled, previews_enabled: previews, url, preview_url_suffix: suffix }) => (
          <Paper p="md">
            <Stack gap="sm">
              <Switch
                label={t("host.on")}
                description={
                  url === null ? undefined : enabled ? (
                    <Anchor href={url} target="_blank" rel="noreferrer" fz="sm">
                      {url}
                    </Anchor>
                  ) : (
                    url
                  )
                }
                checked={enabled}
                disabled={!may || set.isPending}
                onChange={(event) => set.mutate({ enabled: event.currentTarget.checked, previews_enabled: previews })}
              />
              <Switch
                label={t("host.previews")}
                description={suffix === null ? undefined : <Text span fz="sm" className="mono">{`<version>${suffix}`}</Text>}
                checked={previews}
                disabled={!may || set.isPending}
                onChange={(event) => set.mutate({ enabled, previews_enabled: event.currentTarget.checked })}
              />
            </Stack>
          </Paper>
        )}
      </Loaded>
    </Section>
  );
}
