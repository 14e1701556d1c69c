import { useQuery } from "@apollo/client/react";
import { graphql } from "../gql";

const StartPermission = graphql(`
  query StartPermission($tenant: ID!, $runType: String!) {
    tenant(id: $tenant) {
      id
      viewerCanStart(runType: $runType) { allowed reason }
    }
  }
`);

export interface Permission {
  allowed: boolean;
  /** The reason for people; null if unknown or allowed. */
  reason: string | null;
}

/** Whether the user may start runs of a type here; false until that is known. */
export function useStartPermission(tenant: string, runType: string): Permission {
  const { data } = useQuery(StartPermission, { variables: { tenant, runType } });
  return data?.tenant.viewerCanStart ?? { allowed: false, reason: null };
}
