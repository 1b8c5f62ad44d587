// The areas, in the order of the navigation. A new one adds its two lines here and its routes in `router.tsx`.
import { nav as access } from "../access/area";
import { nav as accounts } from "../accounts/area";
import { accountNav as auditOfAccount, nav as audit } from "../audit/area";
import { nav as d1 } from "../d1/area";
import { accountNav as egressOfAccount, nav as egress } from "../egress/area";
import { nav as functions } from "../functions/area";
import { nav as kv } from "../kv/area";
import { nav as me } from "../me/area";
import { nav as members } from "../members/area";
import { nav as nodes } from "../nodes/area";
import { nav as objects } from "../objects/area";
import { nav as overview } from "../overview/area";
import { nav as pages } from "../pages/area";
import { nav as providers } from "../providers/area";
import { nav as queues } from "../queues/area";
import { nav as quotas } from "../quotas/area";
import { nav as r2 } from "../r2/area";
import { nav as tokens } from "../tokens/area";
import { nav as users } from "../users/area";
import { nav as workers } from "../workers/area";
import { nav as workflows } from "../workflows/area";
import type { NavEntry } from "./area";

export const NAV: NavEntry[] = [
  ...overview,
  ...workers,
  ...functions,
  ...pages,
  ...workflows,
  ...kv,
  ...r2,
  ...d1,
  ...objects,
  ...queues,
  ...members,
  ...tokens,
  ...access,
  ...quotas,
  ...auditOfAccount,
  ...egressOfAccount,
  ...accounts,
  ...users,
  ...providers,
  ...nodes,
  ...egress,
  ...audit,
  ...me,
];
