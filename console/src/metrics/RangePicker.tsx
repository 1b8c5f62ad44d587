import { SegmentedControl } from "@mantine/core";

import { RANGES, type Range } from "./query";
import { useMetricsText } from "./strings";

export function RangePicker(props: { value: Range; onChange: (range: Range) => void }) {
  const t = useMetricsText();
  return (
    <SegmentedControl
      size="xs"
      aria-label={t("range")}
      value={props.value}
      onChange={(value) => props.onChange(value as Range)}
      data={(Object.keys(RANGES) as Range[]).map((value) => ({ value, label: t(`range.${value}`) }))}
    />
  );
}
