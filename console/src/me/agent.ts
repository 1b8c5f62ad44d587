/** A browser's name as people know it, of what it says of itself: "Firefox on Windows". */
export function browserOf(agent: string): string {
  const find = (names: readonly (readonly [string, RegExp])[]) => names.find(([, pattern]) => pattern.test(agent))?.[0];
  const browser = find([
    ["Edge", /\bEdg/],
    ["Opera", /\bOPR\//],
    ["Firefox", /\bFirefox\//],
    ["Chrome", /\b(Headless)?Chrom(e|ium)\//],
    ["Safari", /\bSafari\//],
    ["curl", /^curl\//],
  ]);
  const system = find([
    ["Android", /\bAndroid\b/],
    ["iOS", /\b(iPhone|iPad)\b/],
    ["macOS", /\bMacintosh\b/],
    ["Windows", /\bWindows\b/],
    ["Linux", /\bLinux\b/],
  ]);
  if (browser === undefined) return agent.slice(0, 60);
  return system === undefined ? browser : `${browser} · ${system}`;
}
