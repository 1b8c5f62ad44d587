import { Button, Fieldset, NumberInput, Stack, TextInput } from "@mantine/core";
import { useState } from "react";

import { useMay } from "../app/rights";
import { useSending } from "../ui/sending";
import { Failure } from "../ui/states";
import { done } from "../ui/toast";
import { change, type Queue } from "./api";
import { useQueuesText } from "./strings";

export function Settings(props: { account: string; queue: Queue }) {
  const t = useQueuesText();
  const { account, queue } = props;
  const [name, setName] = useState(queue.queue_name);
  const [delay, setDelay] = useState<number | string>(queue.settings.delivery_delay);
  const [retention, setRetention] = useState<number | string>(queue.settings.message_retention_period);
  const { busy, error, send } = useSending();
  const may = useMay("queues");
  const store = () =>
    send(async () => {
      await change(account, queue.queue_id, {
        ...(name === queue.queue_name ? {} : { queue_name: name.trim() }),
        settings: { delivery_delay: Number(delay), message_retention_period: Number(retention) },
      });
      done(t("settings.saved"));
    });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void store();
      }}
    >
      <Fieldset variant="unstyled" disabled={!may}>
        <Stack maw={420}>
          <TextInput label={t("rename")} value={name} onChange={(event) => setName(event.currentTarget.value)} spellCheck={false} required />
          <NumberInput label={t("delay")} value={delay} onChange={setDelay} min={0} max={43_200} allowDecimal={false} />
          <NumberInput label={t("retention")} value={retention} onChange={setRetention} min={60} max={1_209_600} allowDecimal={false} thousandSeparator />
          {error !== undefined && <Failure error={error} compact />}
          <div>
            <Button type="submit" loading={busy}>
              {t("save")}
            </Button>
          </div>
        </Stack>
      </Fieldset>
    </form>
  );
}
