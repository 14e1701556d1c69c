import { useQuery } from "@apollo/client/react";
import { graphql } from "../gql";
import type { ChoicesQuery, OperationRunFilter } from "../gql/graphql";

const Choices = graphql(`
  query Choices($tenant: ID!, $types: OperationRunFilter!, $initiators: OperationRunFilter!) {
    tenant(id: $tenant) {
      id
      types: operationRunFacets(filter: $types) {
        byRunType { runType count }
      }
      initiators: operationRunFacets(filter: $initiators) {
        byInitiator { initiator { actorId kind name } count }
      }
    }
  }
`);

export interface Choices {
  types: ChoicesQuery["tenant"]["types"]["byRunType"];
  initiators: ChoicesQuery["tenant"]["initiators"]["byInitiator"];
  refresh: () => void;
}

/**
 * The types and initiators that a filter offers: those of the runs that match its other parts, so that
 * one choice does not remove the others. They change rarely, and are loaded again when the user opens
 * their list.
 */
export function useChoices(tenant: string, filter: OperationRunFilter): Choices {
  const { data, previousData, refetch } = useQuery(Choices, {
    variables: {
      tenant,
      types: { ...filter, runTypes: [] },
      initiators: { ...filter, initiatorIds: [] },
    },
  });
  const latest = (data ?? previousData)?.tenant;
  return {
    types: latest?.types.byRunType ?? [],
    initiators: latest?.initiators.byInitiator ?? [],
    refresh: () => void refetch(),
  };
}
