import { skipToken, useQuery } from "@apollo/client/react";
import { useMemo } from "react";
import { graphql } from "../gql";
import { runTypeName } from "../ui/words";

const RunTypeTitles = graphql(`
  query RunTypeTitles($tenant: ID!) {
    tenant(id: $tenant) {
      id
      runTypes { name title }
    }
  }
`);

export type TitleOf = (runType: string) => string;

/** Titles of run types. A type that this API does not know, or not yet, is named after its code. */
export function useTitleOf(tenant: string | undefined): TitleOf {
  const { data } = useQuery(RunTypeTitles, tenant ? { variables: { tenant } } : skipToken);
  const runTypes = data?.tenant.runTypes;
  return useMemo(() => {
    const titles = new Map(runTypes?.map(({ name, title }) => [name, title]));
    return (runType) => titles.get(runType) ?? runTypeName(runType);
  }, [runTypes]);
}
