import { Button, Group, Paper, Radio, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";

import { Fault } from "../api/error";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { Barred } from "../ui/Barred";
import { Commands } from "../ui/Commands";
import { Page } from "../ui/Page";
import { Failure, Loaded } from "../ui/states";
import { done } from "../ui/toast";
import { workersQuery } from "./list";
import classes from "./New.module.css";
import { changed, WRANGLER } from "./one";
import { useWorkersText } from "./strings";
import { begin, templatesQuery } from "./templates";

/** A worker that one begins in the browser. */
export function New() {
  const t = useWorkersText();
  const account = useAccount();
  const may = useMay("workers");
  return (
    <Page title={t("new.title")} text={t("new.text")} crumbs={[{ label: t("title"), to: `/a/${account}/workers` }]}>
      {may ? <Form account={account} /> : <Barred />}
    </Page>
  );
}

function Form({ account }: { account: string }) {
  const t = useWorkersText();
  const navigate = useNavigate();
  const templates = useQuery(templatesQuery(account));
  const workers = useQuery(workersQuery(account));
  const [template, setTemplate] = useState("hello-world");
  const [name, setName] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const taken = workers.data?.some(({ id }) => id === name) === true;
  const odd = name !== "" && !/^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$/i.test(name);

  async function make(event: FormEvent) {
    event.preventDefault();
    // A deployment to a name that is there replaces it; beginning anew never does.
    if (taken || odd) return;
    setBusy(true);
    setError(undefined);
    const one = { account, worker: name };
    try {
      await begin(template, one);
      await changed(one);
      done(t("new.done", { worker: name }));
      await navigate({ to: "/a/$account/workers/$worker/edit", params: one });
    } catch (fault) {
      setError(fault instanceof Error ? fault : new Fault(0, ""));
      setBusy(false);
    }
  }

  return (
    <>
      <form onSubmit={(event) => void make(event)}>
        <Stack gap="lg">
          {error !== undefined && <Failure error={error} />}
          <TextInput
            label={t("new.name")}
            description={t("new.name.text")}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={taken ? t("new.taken") : odd ? t("new.odd") : undefined}
            maxLength={63}
            required
            withAsterisk={false}
            maw={420}
            autoFocus
          />
          <Loaded query={templates}>
            {(list) => (
              <Radio.Group value={template} onChange={setTemplate} label={t("new.template")}>
                <SimpleGrid cols={{ base: 1, sm: 2, md: 3 }} mt={6} spacing="sm">
                  {list.map(({ id, title, description, files }) => (
                    <Radio.Card key={id} value={id} className={classes.card} radius="md">
                      <Group wrap="nowrap" align="flex-start" gap="sm">
                        <Radio.Indicator mt={2} />
                        <div>
                          <Text fw={600}>{title}</Text>
                          <Text c="dimmed" fz="sm">
                            {description}
                          </Text>
                          <Text c="dimmed" fz="xs" mt={6} className="mono">
                            {files.filter((file) => file !== "wrangler.jsonc").join(", ")}
                          </Text>
                        </div>
                      </Group>
                    </Radio.Card>
                  ))}
                </SimpleGrid>
              </Radio.Group>
            )}
          </Loaded>
          <Paper withBorder={false}>
            <Button type="submit" size="sm" loading={busy} disabled={taken || odd}>
              {t("new.do")}
            </Button>
          </Paper>
        </Stack>
      </form>
      <Commands lines={[...WRANGLER, `hearth init ${name || "hello"} --template ${template}`, `cd ${name || "hello"} && npx wrangler deploy`]} />
    </>
  );
}
