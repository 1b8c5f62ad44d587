import { Alert, Button, Paper, Stack, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { useOperator } from "../api/session";
import { Commands } from "../ui/Commands";
import { useAsked } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { FormModal } from "../ui/FormModal";
import { Section } from "../ui/Page";
import { RowAction } from "../ui/RowAction";
import { Loaded } from "../ui/states";
import { done } from "../ui/toast";
import { command, looksLikeNetwork, portsOf, replace, useRules, type Network, type Rules, type Scope } from "./rules";
import { useEgressText } from "./strings";

/** The rules of one scope, each to be added and taken away. */
export function RulesEditor(props: { scope: Scope }) {
  const t = useEgressText();
  const rules = useRules(props.scope);
  const operator = useOperator();
  return (
    <Stack gap="lg">
      {!operator && <Alert color="gray">{t("readonly")}</Alert>}
      <Loaded query={rules}>
        {(present) => (
          <>
            <Networks scope={props.scope} rules={present} may={operator} />
            <Hosts scope={props.scope} rules={present} may={operator} />
          </>
        )}
      </Loaded>
      <Commands
        lines={[
          command(props.scope, "list"),
          command(props.scope, "allow 10.20.0.0/16 --port 443"),
          command(props.scope, "allow db.corp.test=10.20.3.4"),
        ]}
      />
    </Stack>
  );
}

interface Part {
  scope: Scope;
  rules: Rules;
  may: boolean;
}

function useChange({ scope }: Part) {
  const t = useEgressText();
  return async (rules: Rules) => {
    await replace(scope, rules);
    done(t("saved"));
  };
}

function Networks(props: Part) {
  const t = useEgressText();
  const { rules } = props;
  const asked = useAsked();
  const change = useChange(props);
  const [open, form] = useDisclosure();
  const [net, setNet] = useState("");
  const [ports, setPorts] = useState("");
  const parsed = portsOf(ports);
  const columns: Column<Network>[] = [
    { id: "net", header: t("network"), cell: ({ net }) => <span className="mono">{net}</span>, value: ({ net }) => net },
    {
      id: "ports",
      header: t("ports"),
      cell: ({ ports: only }) => (only === undefined ? t("ports.all") : only.join(", ")),
    },
    {
      id: "remove",
      header: "",
      width: "2.5rem",
      cell: ({ net }) => props.may && <RowAction icon={Trash2} label={t("network.remove", { net })} onClick={() => void close(net)} />,
    },
  ];
  const wrongNet = net !== "" && !looksLikeNetwork(net.trim());

  async function close(which: string) {
    const question = { title: t("network.remove", { net: which }), lost: t("network.lost", { net: which }), action: t("network.close") };
    await asked(question, () => change({ ...rules, allow: rules.allow.filter((rule) => rule.net !== which) }));
  }

  const add = (
    <Button
      leftSection={<Plus size={14} />}
      onClick={() => {
        setNet("");
        setPorts("");
        form.open();
      }}
    >
      {t("networks.add")}
    </Button>
  );
  return (
    <Section title={t("networks")} text={t("networks.text")} actions={props.may ? add : undefined}>
      {rules.allow.length === 0 ? (
        <None text={t("networks.none")} />
      ) : (
        <DataTable label={t("networks")} columns={columns} rows={rules.allow} rowKey={({ net }) => net} />
      )}
      <FormModal
        title={t("networks.add")}
        action={t("networks.add")}
        opened={open}
        onClose={form.close}
        ready={net.trim() !== "" && !wrongNet && parsed !== undefined}
        submit={() => {
          const rule = parsed == null ? { net: net.trim() } : { net: net.trim(), ports: parsed };
          return change({ ...rules, allow: [...rules.allow.filter((other) => other.net !== rule.net), rule] });
        }}
      >
        <TextInput
          label={t("network")}
          description={t("network.hint")}
          value={net}
          onChange={(event) => setNet(event.currentTarget.value)}
          error={wrongNet ? t("network.bad") : undefined}
          spellCheck={false}
          data-autofocus
        />
        <TextInput
          label={t("ports")}
          description={t("ports.hint")}
          placeholder="443, 5432"
          value={ports}
          onChange={(event) => setPorts(event.currentTarget.value)}
          error={parsed === undefined ? t("ports.bad") : undefined}
          spellCheck={false}
        />
      </FormModal>
    </Section>
  );
}

function Hosts(props: Part) {
  const t = useEgressText();
  const { rules } = props;
  const asked = useAsked();
  const change = useChange(props);
  const [open, form] = useDisclosure();
  const [host, setHost] = useState("");
  const [address, setAddress] = useState("");
  const names = Object.keys(rules.hosts).sort();
  const columns: Column<string>[] = [
    { id: "host", header: t("host"), cell: (name) => <span className="mono">{name}</span>, value: (name) => name },
    { id: "address", header: t("address"), cell: (name) => <span className="mono">{rules.hosts[name]}</span> },
    {
      id: "remove",
      header: "",
      width: "2.5rem",
      cell: (name) => props.may && <RowAction icon={Trash2} label={t("host.remove", { host: name })} onClick={() => void forget(name)} />,
    },
  ];

  async function forget(which: string) {
    const question = { title: t("host.remove", { host: which }), lost: t("host.lost", { host: which }), action: t("host.forget") };
    const { [which]: _, ...rest } = rules.hosts;
    await asked(question, () => change({ ...rules, hosts: rest }));
  }

  const add = (
    <Button
      leftSection={<Plus size={14} />}
      onClick={() => {
        setHost("");
        setAddress("");
        form.open();
      }}
    >
      {t("hosts.add")}
    </Button>
  );
  return (
    <Section title={t("hosts")} text={t("hosts.text")} actions={props.may ? add : undefined}>
      {names.length === 0 ? (
        <None text={t("hosts.none")} />
      ) : (
        <DataTable label={t("hosts")} columns={columns} rows={names} rowKey={(name) => name} />
      )}
      <FormModal
        title={t("hosts.add")}
        action={t("hosts.add")}
        opened={open}
        onClose={form.close}
        ready={host.trim() !== "" && address.trim() !== ""}
        submit={() => change({ ...rules, hosts: { ...rules.hosts, [host.trim().toLowerCase()]: address.trim() } })}
      >
        <TextInput
          label={t("host")}
          description={t("host.hint")}
          value={host}
          onChange={(event) => setHost(event.currentTarget.value)}
          spellCheck={false}
          data-autofocus
        />
        <TextInput
          label={t("address")}
          description={t("address.hint")}
          value={address}
          onChange={(event) => setAddress(event.currentTarget.value)}
          spellCheck={false}
        />
      </FormModal>
    </Section>
  );
}

function None({ text }: { text: string }) {
  return (
    <Paper p="md">
      <Text c="dimmed">{text}</Text>
    </Paper>
  );
}
