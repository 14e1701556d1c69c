import { ActionIcon, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconMoon, IconSun } from "@tabler/icons-react";
import type { ReactNode } from "react";

export function ColorScheme(): ReactNode {
  const { setColorScheme } = useMantineColorScheme();
  const other = useComputedColorScheme() === "dark" ? "light" : "dark";
  const Icon = other === "dark" ? IconMoon : IconSun;
  return (
    <ActionIcon
      aria-label={`Switch to ${other} colours`}
      onClick={() => setColorScheme(other)}
      size="lg"
      variant="default"
    >
      <Icon aria-hidden size={18} stroke={1.5} />
    </ActionIcon>
  );
}
