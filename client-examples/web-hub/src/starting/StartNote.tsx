import { Alert } from "@mantine/core";
import { IconLock } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { Permission } from "./permission";

/** Explains why a page has no start buttons. */
export function StartNote({ permission }: { permission: Permission }): ReactNode {
  if (permission.reason === null) {
    return null;
  }
  return (
    <Alert color="gray" icon={<IconLock aria-hidden />} title="You can view, but not start operations">
      {permission.reason}
    </Alert>
  );
}
