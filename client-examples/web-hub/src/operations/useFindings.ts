import { useApolloClient } from "@apollo/client/react";
import { useEffect, useState } from "react";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import type { Findings } from "../ui/outcome";
import { RunLive, RunRowFragment } from "./RunRow";

const DRIFT = "drift.generate";
/** The largest number of nodes that the API returns. */
const AT_A_TIME = 100;

const FindingsOfRuns = graphql(`
  query FindingsOfRuns($runs: [ID!]!) {
    nodes(ids: $runs) {
      __typename
      id
      ... on OperationRun {
        related {
          __typename
          ... on DriftReport { scopeKey baselineRunId currentRunId added removed modified }
        }
      }
    }
  }
`);

/**
 * The findings of the comparisons among some runs, by run. They do not change after the run ended, so
 * they are loaded once, for many runs together. The feed would load them with every event.
 */
export function useFindings(
  runs: readonly FragmentType<typeof RunRowFragment>[],
): ReadonlyMap<string, Findings> {
  const client = useApolloClient();
  const [known, setKnown] = useState<ReadonlyMap<string, Findings>>(new Map());
  const missing = getFragmentData(RunRowFragment, runs)
    .filter((run) => run.runType === DRIFT && !known.has(run.id))
    .filter((run) => getFragmentData(RunLive, run).finishedAt !== null)
    .slice(0, AT_A_TIME)
    .map(({ id }) => id);
  const key = missing.join(" ");
  useEffect(() => {
    if (key === "") {
      return;
    }
    const query = { query: FindingsOfRuns, variables: { runs: key.split(" ") }, fetchPolicy: "no-cache" as const };
    void client.query(query).then(({ data }) => {
      const read = (data?.nodes ?? []).flatMap((node): [string, Findings][] => {
        const report =
          node?.__typename === "OperationRun" &&
          node.related.find((resource) => resource.__typename === "DriftReport");
        return node && report ? [[node.id, report]] : [];
      });
      setKnown((before) => new Map([...before, ...read]));
    }, () => undefined);
  }, [client, key]);
  return known;
}
