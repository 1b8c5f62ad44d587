import { Alert, Paper, Select, Stack, Switch, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Globe, Info } from "lucide-react";
import { useState } from "react";

import { useMay } from "../../app/rights";
import { useConfirm } from "../../ui/confirm";
import { FormModal } from "../../ui/FormModal";
import { Section } from "../../ui/Page";
import { Loaded } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done, failed } from "../../ui/toast";
import { addDomain, domainsQuery, managedQuery, removeDomain, switchDomain, switchManaged, type Of } from "./api";
import { List } from "./List";
import { useSettingsText } from "./strings";

const VERSIONS = ["1.0", "1.1", "1.2", "1.3"];

/** Addresses for everybody. The API keeps them; nothing is served there yet, which is said before anything else. */
export function Public({ of }: { of: Of }) {
  const t = useSettingsText();
  const confirm = useConfirm();
  const may = useMay("r2_storage");
  const managed = useQuery(managedQuery(of));

  async function publish(enabled: boolean) {
    const question = {
      title: t("managed.ask", { name: of.bucket }),
      lost: t("managed.lost", { domain: managed.data?.domain ?? "" }),
      action: t("managed.action"),
      mild: true,
    };
    if (enabled && !(await confirm(question))) return;
    try {
      await switchManaged(of, enabled);
    } catch (error) {
      failed(error);
    }
  }

  return (
    <>
      <Section title={t("public")} text={t("public.text")}>
        <Stack gap="sm">
          <Alert color="gray" icon={<Info size={16} />}>
            {t("public.idle")}
          </Alert>
          <Loaded query={managed} rows={1}>
            {({ domain, enabled }) => (
              <Paper p="md">
                <Switch
                  checked={enabled}
                  disabled={!may}
                  onChange={(event) => void publish(event.currentTarget.checked)}
                  label={t("managed")}
                  description={<span className="mono">{domain}</span>}
                />
              </Paper>
            )}
          </Loaded>
        </Stack>
      </Section>
      <Domains of={of} />
    </>
  );
}

function Domains({ of }: { of: Of }) {
  const may = useMay("r2_storage");
  const t = useSettingsText();
  const words = useWords();
  const domains = useQuery(domainsQuery(of));
  const [adding, setAdding] = useState(false);
  const [name, setName] = useState("");
  const [tls, setTls] = useState("1.2");

  async function turn(domain: string, enabled: boolean) {
    try {
      await switchDomain(of, domain, enabled);
    } catch (error) {
      failed(error);
    }
  }

  return (
    <>
      <List
        title={t("domains")}
        icon={Globe}
        empty={{ title: t("domains.none"), text: t("domains.none.text") }}
        query={domains}
        rowKey={({ domain }) => domain}
        nameOf={({ domain }) => domain}
        columns={[
          { id: "domain", header: t("domain"), cell: ({ domain }) => <span className="mono cut">{domain}</span> },
          { id: "tls", header: t("minTls"), wide: true, width: "8rem", cell: ({ minTLS }) => minTLS },
          { id: "status", header: t("status"), wide: true, width: "8rem", cell: ({ status }) => status.ownership },
          {
            id: "on",
            header: t("state"),
            width: "4rem",
            cell: ({ domain, enabled }) => (
              <Switch
                size="xs"
                checked={enabled}
                disabled={!may}
                aria-label={t("domain.on", { domain })}
                onChange={(event) => void turn(domain, event.currentTarget.checked)}
              />
            ),
          },
        ]}
        add={{
          label: t("domain.add"),
          act: () => {
            setName("");
            setAdding(true);
          },
        }}
        remove={{
          question: ({ domain }) => ({ title: t("domain.remove", { domain }), lost: t("domain.lost"), action: t("domain.action") }),
          act: ({ domain }) => removeDomain(of, domain),
        }}
      />
      <FormModal
        title={t("domain.add")}
        opened={adding}
        onClose={() => setAdding(false)}
        action={t("domain.add")}
        ready={name.trim() !== ""}
        submit={async () => {
          await addDomain(of, name.trim(), tls);
          done(words("saved"));
        }}
      >
        <TextInput
          label={t("domain")}
          placeholder="files.example.com"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus
          autoComplete="off"
          spellCheck={false}
        />
        <Select label={t("minTls")} data={VERSIONS} value={tls} onChange={(to) => setTls(to ?? "1.2")} allowDeselect={false} />
      </FormModal>
    </>
  );
}
