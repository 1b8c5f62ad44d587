import { notifications } from "@mantine/notifications";

import { explain } from "./explain";
import { useWords } from "./strings";

const close = () => ({ closeButtonProps: { "aria-label": useWords.now("close") } });

/** Something went well. */
export function done(message: string): void {
  notifications.show({ message, color: "teal", autoClose: 4000, ...close() });
}

/** Something that the page cannot show in its place went wrong. */
export function failed(error: unknown): void {
  const { title, said, help } = explain(error);
  notifications.show({ title, message: said === "" ? help : said, color: "red", autoClose: 10_000, ...close() });
}
