import { Group, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ChartNoAxesCombined } from "lucide-react";
import { useState } from "react";

import { Charts, Totals } from "../metrics/Figures";
import { Now } from "../metrics/Now";
import { RangePicker } from "../metrics/RangePicker";
import { seriesQuery, type Range } from "../metrics/query";
import { statusQuery } from "../metrics/status";
import { useMetricsText } from "../metrics/strings";
import { Empty, Loaded } from "../ui/states";
import { useOne } from "./one";

export function Metrics() {
  const t = useMetricsText();
  const { account, worker } = useOne();
  const [range, setRange] = useState<Range>("day");
  const series = useQuery(seriesQuery(account, range, worker));
  const status = useQuery(statusQuery(account));
  const live = status.data?.workers.filter(({ name }) => name === worker) ?? [];
  return (
    <Stack>
      <Group justify="flex-end">
        <RangePicker value={range} onChange={setRange} />
      </Group>
      <Loaded query={series} rows={8}>
        {(found) =>
          found.whole === undefined ? (
            <Empty icon={ChartNoAxesCombined} title={t("quiet.title")} text={t("quiet.text")} />
          ) : (
            <>
              <Totals whole={found.whole} />
              <Charts series={found} name={worker} />
            </>
          )
        }
      </Loaded>
      {live.length > 0 && <Now workers={live} />}
    </Stack>
  );
}
