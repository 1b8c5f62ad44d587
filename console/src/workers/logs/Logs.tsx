import { SegmentedControl, Stack } from "@mantine/core";
import { useState } from "react";

import { Commands } from "../../ui/Commands";
import { useOne, WRANGLER } from "../one";
import { useWorkersText } from "../strings";
import { LiveTail } from "./LiveTail";
import { LogSearch } from "./LogSearch";

export function Logs() {
  const t = useWorkersText();
  const { worker } = useOne();
  const [view, setView] = useState("live");
  return (
    <Stack>
      <SegmentedControl
        w="fit-content"
        size="xs"
        aria-label={t("tab.logs")}
        value={view}
        onChange={setView}
        data={[
          { value: "live", label: t("logs.live") },
          { value: "search", label: t("logs.search") },
        ]}
      />
      {view === "live" ? <LiveTail /> : <LogSearch />}
      <Commands lines={[...WRANGLER, `npx wrangler tail ${worker}`, `hearth tail ${worker}`]} />
    </Stack>
  );
}
