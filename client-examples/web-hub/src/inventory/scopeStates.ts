/** What is known of each scope from its runs: its whole syncs, its last sync, its last comparison. */

import { getFragmentData } from "../gql";
import type { OperationRunFilter, RunLiveFragment, RunRowFragment as Row } from "../gql/graphql";
import { RunLive, RunRowFragment } from "../operations/RunRow";
import { type LiveRuns, useLiveRuns } from "../operations/useLiveRuns";

export const SYNC = "inventory.sync";
export const COMPARISON = "drift.generate";

/** As many as the API answers at a time. */
const RUNS = 100;
const LATEST: OperationRunFilter = { runTypes: [SYNC, COMPARISON] };
// Snapshots are known for as long as their runs are kept, not only in the list's usual window.
const WHOLE: OperationRunFilter = {
  runTypes: [SYNC],
  statusBuckets: ["SUCCEEDED"],
  createdFrom: "1970-01-01T00:00:00Z",
};

type Node = LiveRuns["runs"][number];
export type ScopeRun = Row & { live: RunLiveFragment; node: Node };

export interface ScopeState {
  /** Syncs of which all policies could be read, the newest first. */
  wholeSyncs: ScopeRun[];
  /** Whether there may be more of them than are known here. */
  mayHaveMore: boolean;
  lastSync: ScopeRun | undefined;
  lastComparison: ScopeRun | undefined;
}

function opened(node: Node): ScopeRun {
  const row = getFragmentData(RunRowFragment, node);
  return { ...row, live: getFragmentData(RunLive, row), node };
}

/** The state of a scope by its key, kept live; undefined while the runs are not known yet. */
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
