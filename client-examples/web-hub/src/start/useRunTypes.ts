import { useQuery } from "@apollo/client/react";
import { graphql } from "../gql";
import type { RunTypesQuery } from "../gql/graphql";

const RunTypes = graphql(`
  query RunTypes($tenant: ID!) {
    tenant(id: $tenant) {
      id
      runTypes {
        name
        title
        description
        contextSchema
        isServed
        startPermission { allowed reason }
      }
    }
  }
`);

export type RunType = RunTypesQuery["tenant"]["runTypes"][number];

interface UsedRunTypes {
  runTypes: RunType[] | undefined;
  error: Error | undefined;
  retry: () => void;
}

/** What the tenant's members can start. */
export function useRunTypes(tenant: string): UsedRunTypes {
  // Run types have no id, so in the cache this answer and that of the titles would replace each other.
  const { data, error, refetch } = useQuery(RunTypes, { variables: { tenant }, fetchPolicy: "no-cache" });
  return { runTypes: data?.tenant.runTypes, error, retry: () => void refetch() };
}
