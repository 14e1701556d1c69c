import { Table } from "@mantine/core";
import type { ReactNode } from "react";

/** The height of the page's header, below which the table's header sticks. */
export const HEADER_HEIGHT = 56;

interface DataTableProps {
  label: string;
  children: ReactNode;
}

/** A table whose values wrap, so that it fits every screen, and whose header stays in view. */
export function DataTable({ label, children }: DataTableProps): ReactNode {
  return (
    <Table aria-label={label} stickyHeader stickyHeaderOffset={HEADER_HEIGHT} verticalSpacing="sm">
      {children}
    </Table>
  );
}
