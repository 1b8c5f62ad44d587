// The look: ink on paper, with the ember kept for what is on, chosen or in focus.
import {
  Badge,
  Button,
  createTheme,
  defaultVariantColorsResolver,
  Input,
  Modal,
  Paper,
  Tabs,
  Tooltip,
  type CSSVariablesResolver,
  type MantineColorsTuple,
} from "@mantine/core";

const ink: MantineColorsTuple = [
  "#f5f6f7",
  "#e8eaec",
  "#d3d6da",
  "#b1b6bd",
  "#868d97",
  "#656c77",
  "#4b525c",
  "#353b44",
  "#23282f",
  "#15191e",
];

const ember: MantineColorsTuple = [
  "#fff3ec",
  "#ffe1d1",
  "#ffc2a3",
  "#ff9f72",
  "#fa7f48",
  "#f2622e",
  "#d44a18",
  "#b03a10",
  "#8c2e0e",
  "#6b240d",
];

const dark: MantineColorsTuple = [
  "#d5d8dc",
  "#b4b9c0",
  "#979da6",
  "#6f7680",
  "#3c424b",
  "#2d3239",
  "#22262c",
  "#1a1d22",
  "#131619",
  "#0d0f11",
];

const SANS = '"IBM Plex Sans Variable", "PingFang SC", "Noto Sans SC", "Microsoft YaHei", "WenQuanYi Micro Hei", sans-serif';
const MONO = '"IBM Plex Mono", ui-monospace, "SF Mono", Menlo, Consolas, "WenQuanYi Micro Hei Mono", monospace';

export const theme = createTheme({
  primaryColor: "ink",
  primaryShade: { light: 8, dark: 1 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  variantColorResolver: (input) => {
    const colors = defaultVariantColorsResolver(input);
    // Mantine looks at the light scheme for what stands on the primary colour, which is pale in the dark one.
    const primary = input.variant === "filled" && (input.color === undefined || input.color === "ink");
    return primary ? { ...colors, color: "var(--on-primary)" } : colors;
  },
  colors: { ink, ember, dark },
  white: "#ffffff",
  black: "#15191e",
  fontFamily: SANS,
  fontFamilyMonospace: MONO,
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.25rem" },
  lineHeights: { xs: "1.35", sm: "1.45", md: "1.5", lg: "1.5", xl: "1.4" },
  headings: {
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "1.375rem", lineHeight: "1.3" },
      h2: { fontSize: "1rem", lineHeight: "1.4" },
      h3: { fontSize: "0.875rem", lineHeight: "1.45" },
    },
  },
  radius: { xs: "3px", sm: "5px", md: "7px", lg: "10px", xl: "16px" },
  defaultRadius: "sm",
  cursorType: "pointer",
  focusRing: "auto",
  respectReducedMotion: true,
  shadows: {
    sm: "0 1px 2px rgb(21 25 30 / 6%)",
    md: "0 4px 14px rgb(21 25 30 / 9%)",
    lg: "0 12px 36px rgb(21 25 30 / 16%)",
  },
  components: {
    Button: Button.extend({ defaultProps: { size: "xs" } }),
    Input: Input.extend({ defaultProps: { size: "sm" } }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 300, withArrow: true, fz: "xs" } }),
    Badge: Badge.extend({ defaultProps: { variant: "light", radius: "sm", tt: "none", fw: 500 } }),
    Paper: Paper.extend({ defaultProps: { withBorder: true, radius: "md" } }),
    Modal: Modal.extend({ defaultProps: { centered: true, radius: "md", padding: "lg" } }),
    Tabs: Tabs.extend({ defaultProps: { keepMounted: false } }),
  },
});

/** What Mantine's defaults are too pale or too loud for, in both schemes. Text has a contrast of 4.5 and more. */
export const variables: CSSVariablesResolver = () => ({
  variables: {
    "--chart-1": "#3b76d6",
    "--chart-2": "#e07a2f",
    "--chart-3": "#2f9e6e",
    "--chart-4": "#b65ac9",
    "--chart-bad": "#d64545",
  },
  light: {
    "--mantine-color-body": "#ffffff",
    "--mantine-color-dimmed": "#5c646f",
    "--mantine-color-placeholder": "#6d7580",
    "--mantine-color-anchor": "#b03a10",
    "--mantine-color-default-border": "#dcdfe3",
    "--mantine-color-error": "#c22f2f",
    "--on-primary": "#ffffff",
    "--surface-side": "#f6f7f8",
    "--surface-sunk": "#f3f4f6",
    "--surface-hover": "#eff1f3",
    "--surface-on": "#e6e8eb",
    "--surface-mark": "#353b44",
    "--surface-mark-soft": "#ffe1d1",
    "--code-keyword": "#9a3412",
    "--code-string": "#1d7a4f",
    "--code-number": "#1c5fb8",
    "--code-comment": "#656c77",
    "--code-function": "#7a3e9d",
    "--code-type": "#0f6f7c",
    "--line": "#e4e6e9",
    "--accent": "#d44a18",
    "--good": "#1d7a4f",
    "--warn": "#9a6100",
    "--bad": "#c22f2f",
  },
  dark: {
    "--mantine-color-body": "#131619",
    "--mantine-color-text": "#dfe2e6",
    "--mantine-color-dimmed": "#9aa1ab",
    "--mantine-color-placeholder": "#868d97",
    "--mantine-color-anchor": "#ff9f72",
    "--mantine-color-default": "#1a1d22",
    "--mantine-color-default-border": "#343a42",
    "--mantine-color-error": "#ff7b74",
    "--on-primary": "#15191e",
    "--surface-side": "#0f1114",
    "--surface-sunk": "#1a1d22",
    "--surface-hover": "#20242a",
    "--surface-on": "#23282f",
    "--surface-mark": "#3c424b",
    "--surface-mark-soft": "#4a2b1c",
    "--code-keyword": "#ff9f72",
    "--code-string": "#7fd1a6",
    "--code-number": "#8bb4f2",
    "--code-comment": "#868d97",
    "--code-function": "#d3a6ee",
    "--code-type": "#72c7d3",
    "--line": "#282d34",
    "--accent": "#fa7f48",
    "--good": "#5cc795",
    "--warn": "#e2ab4c",
    "--bad": "#ff7b74",
    "--chart-1": "#6d9eeb",
    "--chart-2": "#f0985a",
    "--chart-3": "#56c08f",
    "--chart-4": "#cf86df",
    "--chart-bad": "#f27272",
  },
});
