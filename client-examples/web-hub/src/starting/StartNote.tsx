import { Alert } from "@mantine/core";
import { IconLock } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { Permission } from "./permission";

/** Says why the start buttons of a page are not there. */
export function StartNote({ permission }: { permission: Permission }): ReactNode {
  if (permission.reason === null) {
    return null;
  }
  return (
    <Alert color="gray" icon={<IconLock aria-hidden />} title="You can look, but not start anything">
      {permission.reason}
    </Alert>
  );
}
