import { Anchor, Container } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { NotFound } from "../ui/states";
import { operationsPath } from "./paths";
import { useTenant } from "./tenant";

/** For an address of the tenant that leads to no page. */
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
      The address leads to no page of the hub. It may be mistyped or cut off.
    </NotFound>
  );
}

/** For an address that names no tenant either. */
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
        The address leads to no page of the hub. It may be mistyped or cut off.
      </NotFound>
    </Container>
  );
}
