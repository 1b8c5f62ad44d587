// Texts. Each area has an `en.ts` and a `zh.ts`, joined by `strings`: a key that one of them lacks does not compile.
import i18next from "i18next";
import { initReactI18next, useTranslation } from "react-i18next";

export const LANGUAGES = { en: "English", zh: "简体中文" } as const;
export type Language = keyof typeof LANGUAGES;

const KEPT = "hearth.language";

function first(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === "en" || kept === "zh") return kept;
  return navigator.language.startsWith("zh") ? "zh" : "en";
}

void i18next.use(initReactI18next).init({
  lng: first(),
  fallbackLng: "en",
  initAsync: false,
  // Keys and areas are flat: a dot or a colon in a key is a letter.
  keySeparator: false,
  nsSeparator: false,
  // React escapes.
  interpolation: { escapeValue: false },
  resources: { en: {}, zh: {} },
  react: { useSuspense: false },
});

export function language(): Language {
  return i18next.language === "zh" ? "zh" : "en";
}

export function setLanguage(to: Language): void {
  localStorage.setItem(KEPT, to);
  document.documentElement.lang = to;
  void i18next.changeLanguage(to);
}

type Strings = Readonly<Record<string, string>>;

/** What a translation of T must have. Chinese has one plural form, `_other`. */
export type Translated<T extends Strings> = {
  readonly [K in keyof T as K extends `${string}_one` ? never : K]: string;
};

type Key<T> = keyof T extends infer K ? (K extends `${infer Base}_one` | `${infer Base}_other` ? Base : K) : never;

/** Gives the text of a key, with its `{{values}}`. `count` chooses between `_one` and `_other`. */
export type Text<T> = (key: Key<T>, values?: Record<string, string | number>) => string;

/**
 * An area's texts, as a hook: `const useText = strings("kv", en, zh)`, then `const t = useText()` in a component and
 * `useText.now("key")` outside of one.
 */
export function strings<T extends Strings>(area: string, en: T, zh: Translated<T>) {
  i18next.addResourceBundle("en", area, en);
  i18next.addResourceBundle("zh", area, zh);
  const useText = (): Text<T> => useTranslation(area).t as unknown as Text<T>;
  useText.now = ((key, values) => i18next.t(key as string, { ns: area, ...values })) as Text<T>;
  return useText;
}

/** The language, for what formats numbers and dates; a component that uses it is drawn anew when it changes. */
export function useLanguage(): Language {
  return useTranslation().i18n.language === "zh" ? "zh" : "en";
}
