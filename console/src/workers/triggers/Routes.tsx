import { ActionIcon, Button, Group, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Trash2, Waypoints } from "lucide-react";
import { useState, type FormEvent } from "react";

import { api, result } from "../../api/client";
import { useConfirm } from "../../ui/confirm";
import { Section } from "../../ui/Page";
import { Empty, Failure, Loaded } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done, failed } from "../../ui/toast";
import { changed, oneKey, type One } from "../one";
import { Rows } from "../settings/Rows";
import { useWorkersText } from "../strings";

const PATH = "/client/v4/accounts/{account}/workers/scripts/{worker}/routes";

/** Hosts and paths of zones that lead to the worker. */
export function Routes(props: { one: One }) {
  const t = useWorkersText();
  const words = useWords();
  const confirm = useConfirm();
  const { one } = props;
  const [pattern, setPattern] = useState("");
  const [error, setError] = useState<unknown>();
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

  async function add(event: FormEvent) {
    event.preventDefault();
    setError(undefined);
    try {
      await replace([...kept(), { pattern: pattern.trim() }]);
      setPattern("");
    } catch (fault) {
      setError(fault);
    }
  }

  async function remove(name: string) {
    if (!(await confirm({ title: t("route.remove", { name }), lost: t("route.remove.lost"), action: words("delete") }))) return;
    await replace(kept(name)).catch(failed);
  }

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
                actions: (
                  <ActionIcon variant="subtle" color="gray" aria-label={`${words("delete")} ${route.pattern}`} onClick={() => void remove(route.pattern)}>
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
            label={t("route.add")}
            placeholder="example.com/api/*"
            value={pattern}
            onChange={(event) => setPattern(event.currentTarget.value)}
            required
            withAsterisk={false}
            flex="1 1 16rem"
            maw={420}
          />
          <Button type="submit" size="sm" variant="default" disabled={routes.data === undefined}>
            {words("add")}
          </Button>
        </Group>
        {error !== undefined && <Failure error={error} />}
      </form>
    </Section>
  );
}
