import { useQuery } from "@apollo/client/react";
import { Container } from "@mantine/core";
import type { ReactNode } from "react";
import { Navigate } from "react-router";
import { Empty, Failure, Loading } from "../ui/states";
import { operationsPath } from "./paths";
import { ViewerQuery } from "./viewer";

/** Redirects to the operations of the user's first tenant. */
export function Home(): ReactNode {
  const { data, error, refetch } = useQuery(ViewerQuery);
  const first = data?.viewer.memberships[0];
  if (first) {
    return <Navigate replace to={operationsPath(first.tenant.slug)} />;
  }
  return (
    <Container component="main" mt="xl">
      {error ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : data ? (
        <Empty title="You are not a member of a tenant yet">Ask an owner for an invitation.</Empty>
      ) : (
        <Loading />
      )}
    </Container>
  );
}
