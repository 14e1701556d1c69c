import { Anchor, type CSSVariablesResolver, createTheme } from "@mantine/core";

export const theme = createTheme({
  autoContrast: true,
  primaryShade: 8,
  respectReducedMotion: true,
  // A link must be recognizable without colors.
  components: { Anchor: Anchor.extend({ defaultProps: { underline: "always" } }) },
});

function readable(faint: string): Record<string, string> {
  return {
    "--mantine-color-dimmed": faint,
    "--mantine-color-error": "var(--hub-red)",
    "--mantine-color-placeholder": faint,
  };
}

/** Replaces Mantine's colors that have too little contrast. */
export const readableColors: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    ...readable("#5c636a"),
    "--mantine-color-green-light-color": "#1f6b30",
    "--mantine-color-orange-light-color": "#9c3606",
  },
  dark: readable("#a6adb5"),
});
