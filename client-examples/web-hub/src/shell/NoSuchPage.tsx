import { Anchor, Container } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { NotFound } from "../ui/states";
import { operationsPath } from "./paths";
import { useTenant } from "./tenant";

/** For an unknown address within a tenant. */
export function NoSuchPage(): ReactNode {
  const { slug } = useTenant();
  return (
    <NotFound
      back={
        <Anchor component={Link} to={operationsPath(slug)}>
          Go to the operations
        </Anchor>
      }
      title="Page not found"
    >
      The hub has no page at this address. It may be mistyped or cut off.
    </NotFound>
  );
}

/** For an unknown address without a tenant. */
export function LostPage(): ReactNode {
  return (
    <Container component="main" mt="xl">
      <NotFound
        back={
          <Anchor component={Link} to="/">
            Go to the start page
          </Anchor>
        }
        title="Page not found"
      >
        The hub has no page at this address. It may be mistyped or cut off.
      </NotFound>
    </Container>
  );
}
