import { strings } from "../i18n";
import { en } from "./en";
import { zh } from "./zh";

export const useMetricsText = strings("metrics", en, zh);
