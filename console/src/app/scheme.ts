import { localStorageColorSchemeManager } from "@mantine/core";

/** Where light or dark is kept; `public/assets/scheme.js` reads it before the first paint. */
export const schemeManager = localStorageColorSchemeManager({ key: "hearth.scheme" });
