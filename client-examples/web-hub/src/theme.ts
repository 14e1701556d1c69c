import { Anchor, type CSSVariablesResolver, createTheme } from "@mantine/core";

export const theme = createTheme({
  autoContrast: true,
  primaryShade: 8,
  respectReducedMotion: true,
  // A link must be recognizable without colors.
  components: { Anchor: Anchor.extend({ defaultProps: { underline: "always" } }) },
});

function faint(color: string): Record<string, string> {
  return { "--mantine-color-dimmed": color, "--mantine-color-placeholder": color };
}

/** Replaces Mantine's colors that have too little contrast. */
export const readableColors: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    ...faint("#5c636a"),
    "--mantine-color-green-light-color": "#1f6b30",
    "--mantine-color-orange-light-color": "#9c3606",
  },
  dark: faint("#a6adb5"),
});
