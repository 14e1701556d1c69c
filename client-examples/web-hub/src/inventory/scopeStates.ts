/** The state of each scope, from its runs: complete syncs, last sync, last comparison. */

import { getFragmentData } from "../gql";
import type { OperationRunFilter, RunLiveFragment, RunRowFragment as Row } from "../gql/graphql";
import { RunLive, RunRowFragment } from "../operations/RunRow";
import { type LiveRuns, useLiveRuns } from "../operations/useLiveRuns";

export const SYNC = "inventory.sync";
export const COMPARISON = "drift.generate";

/** The largest page that the API returns. */
const RUNS = 100;
const LATEST: OperationRunFilter = { runTypes: [SYNC, COMPARISON] };
// A snapshot counts as long as its run is kept, also outside the list's usual window.
const WHOLE: OperationRunFilter = {
  runTypes: [SYNC],
  statusBuckets: ["SUCCEEDED"],
  createdFrom: "1970-01-01T00:00:00Z",
};

type Node = LiveRuns["runs"][number];
export type ScopeRun = Row & { live: RunLiveFragment; node: Node };

export interface ScopeState {
  /** Syncs that could read all policies, newest first. */
  wholeSyncs: ScopeRun[];
  /** Whether there may be more of them than were loaded. */
  mayHaveMore: boolean;
  lastSync: ScopeRun | undefined;
  lastComparison: ScopeRun | undefined;
}

function opened(node: Node): ScopeRun {
  const row = getFragmentData(RunRowFragment, node);
  return { ...row, live: getFragmentData(RunLive, row), node };
}

/** The live state of each scope by its key; undefined until the runs are loaded. */
export function useScopeStates(tenant: string): ((key: string) => ScopeState) | undefined {
  const whole = useLiveRuns(tenant, WHOLE, RUNS);
  const latest = useLiveRuns(tenant, LATEST, RUNS);
  if (whole.loading || latest.loading) {
    return undefined;
  }
  const wholeRuns = whole.runs.map(opened);
  const latestRuns = latest.runs.map(opened);
  return (key) => ({
    wholeSyncs: wholeRuns.filter(({ subject }) => subject === key),
    mayHaveMore: whole.hasMore,
    lastSync: latestRuns.find(({ subject, runType }) => subject === key && runType === SYNC),
    lastComparison: latestRuns.find(({ subject, runType }) => subject === key && runType === COMPARISON),
  });
}
