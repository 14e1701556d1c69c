import { useQuery, useSubscription } from "@apollo/client/react";
import { useThrottledCallback } from "@mantine/hooks";
import { useEffect, useState } from "react";
import { getFragmentData, graphql } from "../gql";
import type { RunPageQuery } from "../gql/graphql";
import { RunLive } from "../operations/RunRow";

const AT_MOST_EVERY_MS = 1_000;
const WAITING_MS = 5_000;

const RunPageDocument = graphql(`
  query RunPage($run: ID!) {
    node(id: $run) {
      __typename
      id
      ... on OperationRun {
        runType
        subject
        context
        createdAt
        url
        waitingReason
        initiator { kind name }
        tenant { id }
        ...RunLive
        ...RunTimeline
        ...RunFailures
        ...RunRelated
      }
    }
  }
`);

const FollowRun = graphql(`
  subscription FollowRun($run: ID!, $after: String) {
    operationRun(id: $run, after: $after) {
      cursor
      run { id ...RunLive }
    }
  }
`);

type Node = NonNullable<RunPageQuery["node"]>;
export type Run = Extract<Node, { __typename: "OperationRun" }>;

interface LiveRun {
  /** Null if the id is not a run, or the run was deleted. */
  run: Run | null | undefined;
  error: Error | undefined;
  retry: () => void;
}

/** A run with its details. Its counts follow each event; the details are loaded again. */
export function useLiveRun(id: string): LiveRun {
  const { data, error, refetch, startPolling, stopPolling } = useQuery(RunPageDocument, {
    variables: { run: id },
  });
  const reread = useThrottledCallback(() => void refetch(), AT_MOST_EVERY_MS);
  const { node } = data ?? {};
  const run = node?.__typename === "OperationRun" ? node : data && null;
  const waits = run ? getFragmentData(RunLive, run).statusBucket === "QUEUED" : false;
  useEffect(() => {
    // Why a run waits can change without an event of the run.
    if (waits) {
      startPolling(WAITING_MS);
    }
    return stopPolling;
  }, [waits, startPolling, stopPolling]);
  // The subscription begins with a snapshot and, on a run that has ended, completes with it.
  const [refusal, setRefusal] = useState<Error>();
  const followed = useSubscription(FollowRun, {
    variables: { run: id },
    ignoreResults: true,
    onError: setRefusal,
    skip: run === null,
    onData: reread,
  });
  return {
    run,
    error: error ?? refusal,
    retry: () => {
      setRefusal(undefined);
      followed.restart();
      void refetch();
    },
  };
}
