import { Alert } from "@mantine/core";

import { Fault } from "../api/error";
import { explain } from "../ui/explain";
import { useSignInText } from "./strings";

/** Why one was not let in. */
export function Refusal(props: { error: unknown; token?: boolean }) {
  const t = useSignInText();
  if (props.error === undefined) return null;
  const fault = props.error instanceof Fault ? props.error : undefined;
  if (fault?.status === 401 || fault?.status === 400) {
    const said = props.token === true ? t("wrong.token") : fault.message || t("wrong.do");
    return (
      <Alert color="red" title={t("wrong")} role="alert">
        {said}
      </Alert>
    );
  }
  const { title, said, help } = explain(props.error);
  return (
    <Alert color="red" title={title} role="alert">
      {said || help}
    </Alert>
  );
}
