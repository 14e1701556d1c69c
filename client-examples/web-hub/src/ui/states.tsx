/** What a page shows instead of data: loading, failure, empty, not found. */

import { Alert, Button, EmptyState, Skeleton, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconInbox } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { codeOf } from "../api/client";
import { signOut } from "../session";
import { Page } from "./Page";

export function Loading({ rows = 5 }: { rows?: number }): ReactNode {
  return (
    <Stack aria-busy aria-label="Loading" gap="xs" role="status">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton height={44} key={row} />
      ))}
    </Stack>
  );
}

const TITLES: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: "You are signed out",
  FORBIDDEN: "You have no access to this",
};

interface FailureProps {
  error: Error;
  retry?: () => void;
  /** The title, if the page knows more than the error. */
  title?: string;
}

export function Failure({ error, retry, title }: FailureProps): ReactNode {
  const code = codeOf(error);
  const what =
    title ??
    (code === undefined ? "Opsrun does not answer" : (TITLES[String(code)] ?? "That did not work"));
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} role="alert" title={what}>
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

interface NotFoundProps {
  title: string;
  children: ReactNode;
  /** A link to another page. */
  back: ReactNode;
}

/** For an address without a page. */
export function NotFound({ title, children, back }: NotFoundProps): ReactNode {
  return (
    <Page title={title}>
      <Text>{children}</Text>
      <Text>{back}</Text>
    </Page>
  );
}
