import { Fault } from "../api/error";
import { useWords } from "./strings";

export interface Explained {
  title: string;
  /** What the server said of it. */
  said: string;
  /** What helps. */
  help: string;
}

/** An error as a sentence and what to do about it; never a stack. */
export function explain(error: unknown): Explained {
  const t = useWords.now;
  if (!(error instanceof Fault)) return { title: t("fault.page"), said: "", help: t("fault.page.do") };
  const told = (title: string, help: string): Explained => ({ title, said: error.message, help });
  const { status } = error;
  if (status === 0) return told(t("fault.offline"), t("fault.offline.do"));
  if (status === 401) return told(t("fault.signedOut"), t("fault.signedOut.do"));
  if (status === 403) return told(t("fault.forbidden"), t("fault.forbidden.do"));
  if (status === 404) return told(t("fault.missing"), t("fault.missing.do"));
  if (status === 409 || status === 412) return told(t("fault.conflict"), t("fault.conflict.do"));
  if (status === 413) return told(t("fault.tooLarge"), t("fault.tooLarge.do"));
  if (status === 429) return told(t("fault.tooMany"), t("fault.tooMany.do", { seconds: error.retryAfter ?? 5 }));
  if (status >= 500) return told(t("fault.broken"), t("fault.broken.do"));
  return told(t("fault.refused"), t("fault.refused.do"));
}
