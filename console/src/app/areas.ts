// The areas, in the order of the navigation. A new one adds its two lines here and its routes in `router.tsx`.
import { nav as overview } from "../overview/area";
import { nav as workers } from "../workers/area";
import type { NavEntry } from "./area";

export const NAV: NavEntry[] = [...overview, ...workers];
