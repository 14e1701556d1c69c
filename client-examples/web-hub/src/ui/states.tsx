/** What a page shows instead of data. */

import { Alert, Button, EmptyState, Skeleton, Stack } from "@mantine/core";
import { IconAlertTriangle, IconInbox } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { codeOf } from "../api/client";
import { signOut } from "../session";

export function Loading({ rows = 5 }: { rows?: number }): ReactNode {
  return (
    <Stack aria-busy aria-label="Loading" gap="xs" role="status">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton height={44} key={row} />
      ))}
    </Stack>
  );
}

interface FailureProps {
  error: Error;
  retry?: () => void;
}

export function Failure({ error, retry }: FailureProps): ReactNode {
  const code = codeOf(error);
  const title =
    code === "UNAUTHENTICATED"
      ? "You are signed out"
      : code === "FORBIDDEN"
        ? "This is not yours to see"
        : code === undefined
          ? "Opsrun does not answer"
          : "That did not work";
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} role="alert" title={title}>
      <Stack align="flex-start" gap="sm">
        {error.message}
        {code === "UNAUTHENTICATED" ? (
          <Button onClick={signOut} size="xs" variant="default">
            Sign in again
          </Button>
        ) : (
          retry && (
            <Button onClick={retry} size="xs" variant="default">
              Try again
            </Button>
          )
        )}
      </Stack>
    </Alert>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }): ReactNode {
  return (
    <EmptyState
      description={children}
      icon={<IconInbox aria-hidden stroke={1.5} />}
      py="xl"
      title={title}
    />
  );
}
