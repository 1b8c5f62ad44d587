import { Page } from "../ui/Page";
import { RulesEditor } from "./Editor";
import { useEgressText } from "./strings";

export function InstallationEgress() {
  const t = useEgressText();
  return (
    <Page title={t("title")} text={t("installation.text")}>
      <RulesEditor scope={{}} />
    </Page>
  );
}
