import { Modal, Stack, Text, Title } from "@mantine/core";

import { Facts, type Fact } from "../ui/Facts";
import { moment } from "../ui/format";
import { useWords } from "../ui/strings";
import classes from "./Details.module.css";
import { diff } from "./diff";
import type { Entry } from "./log";
import { useActor, useTitle } from "./Log";
import { useAuditText } from "./strings";

/** One entry, with what was there before and what was afterwards. */
export function Details(props: { entry: Entry | undefined; onClose: () => void }) {
  const words = useWords();
  const title = useTitle();
  const { entry } = props;
  return (
    <Modal
      opened={entry !== undefined}
      onClose={props.onClose}
      size="xl"
      title={<Text fw={600}>{entry === undefined ? "" : title(entry)}</Text>}
      closeButtonProps={{ "aria-label": words("close") }}
    >
      {entry !== undefined && <Shown entry={entry} />}
    </Modal>
  );
}

function Shown({ entry }: { entry: Entry }) {
  const t = useAuditText();
  const actor = useActor();
  const { metadata } = entry;
  const mono = (text: string) => <span className="mono">{text}</span>;
  const all: Fact[] = [
    [t("when"), moment(entry.when)],
    [t("who"), actor(entry)],
    [t("address"), entry.actor.ip],
    [t("outcome"), t(`outcome.${metadata.outcome}`)],
    [t("status"), String(metadata.status)],
    [t("thing"), entry.resource.id],
    [t("agent"), metadata.user_agent],
    [t("id"), mono(entry.id)],
  ];
  return (
    <Stack>
      <Facts facts={all.filter(([, value]) => value !== null && value !== "")} />
      <Text className={classes.call}>{`${metadata.method} ${metadata.path}`}</Text>
      <Title order={2}>{t("change")}</Title>
      <Changes before={entry.oldValueJson} after={entry.newValueJson} />
    </Stack>
  );
}

function Changes(props: { before: unknown; after: unknown }) {
  const t = useAuditText();
  const changes = diff(props.before, props.after);
  if (changes.length === 0) {
    const none = (props.before ?? null) === null && (props.after ?? null) === null;
    return <Text c="dimmed">{none ? t("change.none") : t("change.same")}</Text>;
  }
  const value = (text: string | undefined) => text ?? <Text c="dimmed">{t("nothing")}</Text>;
  return (
    <table className={classes.changes}>
      <thead>
        <tr>
          <th>{t("field")}</th>
          <th>{t("was")}</th>
          <th>{t("is")}</th>
        </tr>
      </thead>
      <tbody>
        {changes.map(({ path, before, after }) => (
          <tr key={path}>
            <td>{path === "" ? t("whole") : path}</td>
            <td className={before === undefined ? undefined : classes.was}>{value(before)}</td>
            <td className={after === undefined ? undefined : classes.is}>{value(after)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
