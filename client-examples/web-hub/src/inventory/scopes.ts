import { useQuery } from "@apollo/client/react";
import { graphql } from "../gql";
import type { ScopesQuery } from "../gql/graphql";

/** Maintenance looks for new scopes about this often. */
const POLL_MS = 10_000;

const Scopes = graphql(`
  query Scopes($tenant: ID!) {
    tenant(id: $tenant) {
      id
      inventoryScopes {
        key
        lastSeenAt
        lastSnapshotRunId
        formats { format policyCount }
      }
    }
  }
`);

interface UsedScopes {
  scopes: ScopesQuery["tenant"]["inventoryScopes"] | undefined;
  error: Error | undefined;
  refetch: () => void;
}

export function useScopes(tenant: string): UsedScopes {
  const { data, error, refetch } = useQuery(Scopes, {
    variables: { tenant },
    fetchPolicy: "cache-and-network",
    pollInterval: POLL_MS,
  });
  return { scopes: data?.tenant.inventoryScopes, error, refetch: () => void refetch() };
}
