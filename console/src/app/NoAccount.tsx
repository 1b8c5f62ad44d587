import { Users } from "lucide-react";

import { Page } from "../ui/Page";
import { Empty } from "../ui/states";
import { useShellText } from "./strings";

export function NoAccount() {
  const t = useShellText();
  return (
    <Page title="Hearth">
      <Empty icon={Users} title={t("account.none")} text={t("account.none.do")} />
    </Page>
  );
}
