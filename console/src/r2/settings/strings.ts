import { strings } from "../../i18n";
import { en } from "./en";
import { zh } from "./zh";

export const useSettingsText = strings("r2.settings", en, zh);
