import { useQuery } from "@apollo/client/react";
import { graphql } from "../gql";
import type { PoliciesQuery } from "../gql/graphql";

const Policies = graphql(`
  query Policies($tenant: ID!, $scope: String!, $after: String) {
    tenant(id: $tenant) {
      id
      policies(scopeKey: $scope, first: 25, after: $after) {
        edges { cursor node { id name policyType } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
`);

interface UsedPolicies {
  policies: PoliciesQuery["tenant"]["policies"]["edges"][number]["node"][] | undefined;
  hasMore: boolean;
  loadMore: () => Promise<unknown>;
  error: Error | undefined;
  retry: () => void;
}

export function usePolicies(tenant: string, scope: string): UsedPolicies {
  const { data, error, fetchMore, refetch } = useQuery(Policies, {
    variables: { tenant, scope },
    fetchPolicy: "cache-and-network",
  });
  const connection = data?.tenant.policies;
  return {
    policies: connection?.edges.map(({ node }) => node),
    hasMore: connection?.pageInfo.hasNextPage ?? false,
    loadMore: () => fetchMore({ variables: { after: connection?.pageInfo.endCursor } }),
    error,
    retry: () => void refetch(),
  };
}
