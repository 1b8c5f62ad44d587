import type { LucideIcon } from "lucide-react";

import type { Area } from "./rights";
import type { ShellKey } from "./strings";

/** `me` is not in the navigation: it is in the menu of who is signed in. */
export type Group = "me" | "top" | "compute" | "storage" | "account" | "installation";

/** A line of the navigation. */
export interface NavEntry {
  group: Group;
  /** Its path; `$account` stands for the present account. */
  to: string;
  label: ShellKey;
  icon: LucideIcon;
  /** Only for who may look at that in the present account. */
  reads?: Area;
  /** Only for who answers for the installation. */
  operator?: boolean;
}
