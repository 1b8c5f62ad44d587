// The areas, in the order of the navigation. A new one adds its two lines here and its routes in `router.tsx`.
import { accountNav as auditOfAccount, nav as audit } from "../audit/area";
import { accountNav as egressOfAccount, nav as egress } from "../egress/area";
import { nav as me } from "../me/area";
import { nav as nodes } from "../nodes/area";
import { nav as overview } from "../overview/area";
import { nav as providers } from "../providers/area";
import { nav as quotas } from "../quotas/area";
import { nav as users } from "../users/area";
import { nav as workers } from "../workers/area";
import type { NavEntry } from "./area";

export const NAV: NavEntry[] = [...overview, ...workers, ...quotas, ...auditOfAccount, ...egressOfAccount, ...users, ...providers, ...nodes, ...egress, ...audit, ...me];
