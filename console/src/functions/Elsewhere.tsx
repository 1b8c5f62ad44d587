// The APIs of functions act in one account: in any other, its page says so rather than show another's.
import { Button } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { SquareFunction } from "lucide-react";

import { useAccounts } from "../api/session";
import { useAccount } from "../app/account";
import { Page } from "../ui/Page";
import { Empty } from "../ui/states";
import { acting } from "./api";
import { useFunctionsText } from "./strings";

/** Where functions are, when that is not the page's account. */
export function useElsewhere() {
  const account = useAccount();
  const { data: accounts } = useAccounts();
  const where = acting(accounts ?? []);
  return where === undefined || where.id === account ? undefined : where;
}

export function Elsewhere(props: { where: { id: string; name: string } }) {
  const t = useFunctionsText();
  const navigate = useNavigate();
  const { id, name } = props.where;
  return (
    <Page title={t("title")} text={t("text")}>
      <Empty icon={SquareFunction} title={t("elsewhere.title", { name })} text={t("elsewhere.text")}>
        <Button variant="default" onClick={() => void navigate({ to: "/a/$account/functions", params: { account: id } })}>
          {t("elsewhere.go", { name })}
        </Button>
      </Empty>
    </Page>
  );
}
