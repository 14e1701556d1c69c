import { Table } from "@mantine/core";
import type { ReactNode } from "react";

interface ScrollableProps {
  label: string;
  children: ReactNode;
}

/** A table that may be wider than the screen, and is scrolled by keyboard as well. */
export function Scrollable({ label, children }: ScrollableProps): ReactNode {
  return (
    <Table.ScrollContainer aria-label={label} minWidth={320} role="region" tabIndex={0} type="native">
      <Table aria-label={label} verticalSpacing="sm">
        {children}
      </Table>
    </Table.ScrollContainer>
  );
}
