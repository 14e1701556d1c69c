import { useQuery } from "@apollo/client/react";
import type { ReactNode } from "react";
import { graphql } from "../gql";
import { Failure, Loading } from "../ui/states";
import { DriftReport } from "./DriftReport";

const ReportOfRun = graphql(`
  query ReportOfRun($run: ID!) {
    node(id: $run) {
      id
      __typename
      ... on OperationRun {
        related { __typename ...DriftReport }
      }
    }
  }
`);

/** The report of a comparison that succeeded. */
export function NewestReport({ run }: { run: string }): ReactNode {
  const { data, error, refetch } = useQuery(ReportOfRun, { variables: { run } });
  if (error) {
    return <Failure error={error} retry={() => void refetch()} />;
  }
  if (data?.node?.__typename !== "OperationRun") {
    return <Loading rows={3} />;
  }
  return data.node.related.map(
    (resource) =>
      resource.__typename === "DriftReport" && (
        <DriftReport hasEnded key={run} report={resource} runId={run} />
      ),
  );
}
