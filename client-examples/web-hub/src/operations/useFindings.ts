import { useApolloClient } from "@apollo/client/react";
import { useEffect, useState } from "react";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import type { Findings } from "../ui/outcome";
import { RunLive, RunRowFragment } from "./RunRow";

const DRIFT = "drift.generate";
/** As many as the API answers at a time. */
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
 * What the comparisons among some runs found, by run. It does not change once they have ended, and
 * is asked for once, for many runs together: the feed would read it with every event of any run.
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
