import { Button, Group, Modal, Select, Slider, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import type { Schema } from "../../api/client";
import { brief } from "../../ui/format";
import { Failure } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done } from "../../ui/toast";
import type { One } from "../one";
import { useWorkersText } from "../strings";
import { deploy } from "./Deployments";
import classes from "./Deployments.module.css";

/** Two versions, and how much of the traffic each one gets. */
export function SplitDialog(props: {
  one: One;
  active: Schema<"Deployment">;
  versions: Schema<"Version">[];
  onClose: () => void;
}) {
  const t = useWorkersText();
  const words = useWords();
  const { active, versions } = props;
  const [first, second] = active.versions;
  const [from, setFrom] = useState(first?.version_id ?? "");
  const [to, setTo] = useState(
    second?.version_id ?? versions.find(({ id }) => id !== first?.version_id)?.id ?? "",
  );
  const [share, setShare] = useState(second?.percentage ?? 10);
  const [message, setMessage] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const choices = versions.map(({ id, number }) => ({ value: id, label: `v${number} · ${brief(id)}` }));

  async function apply() {
    setBusy(true);
    setError(undefined);
    const shares = [
      { version_id: from, percentage: 100 - share },
      { version_id: to, percentage: share },
    ].filter(({ percentage }) => percentage > 0);
    try {
      await deploy(props.one, shares, message);
      done(t("split.done"));
      props.onClose();
    } catch (fault) {
      setError(fault);
    } finally {
      setBusy(false);
    }
  }

  return (
    <Modal
      opened
      onClose={props.onClose}
      title={<Text fw={600}>{t("split.title")}</Text>}
      closeButtonProps={{ "aria-label": words("close") }}
      size="lg"
    >
      <Stack>
        {error !== undefined && <Failure error={error} />}
        <Group grow align="flex-start">
          <Select label={t("split.from")} data={choices} value={from} onChange={(id) => setFrom(id ?? from)} allowDeselect={false} />
          <Select label={t("split.to")} data={choices} value={to} onChange={(id) => setTo(id ?? to)} allowDeselect={false} />
        </Group>
        <div className={classes.shares} aria-hidden>
          <span style={{ flexGrow: 100 - share }} data-of="from">
            {100 - share}%
          </span>
          <span style={{ flexGrow: share }} data-of="to">
            {share}%
          </span>
        </div>
        <Slider
          value={share}
          onChange={setShare}
          min={0}
          max={100}
          step={1}
          label={null}
          thumbLabel={t("split.share")}
          marks={[0, 25, 50, 75, 100].map((value) => ({ value, label: `${value}%` }))}
          mb="md"
        />
        <TextInput
          label={t("message")}
          value={message}
          onChange={(event) => setMessage(event.currentTarget.value)}
          maxLength={100}
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={props.onClose}>
            {words("cancel")}
          </Button>
          <Button onClick={() => void apply()} loading={busy} disabled={from === to}>
            {t("split.apply")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
