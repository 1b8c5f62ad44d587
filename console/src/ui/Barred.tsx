// What a page or a part of it shows to who may not use it.
import { Lock } from "lucide-react";

import { Empty } from "./states";
import { useWords } from "./strings";

export function Barred(props: { text?: string }) {
  const t = useWords();
  return <Empty icon={Lock} title={t("fault.forbidden")} text={props.text ?? t("fault.forbidden.do")} />;
}
