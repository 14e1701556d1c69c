/** The results of a run's items, in a text that does not make a failure look like a success. */

import { count } from "./words";

export interface Outcome {
  counts: { total: number | null; processed: number; succeeded: number; failed: number; skipped: number };
  finishedAt: string | null;
}

/** The findings of a comparison, as numbers of policies. */
export interface Findings {
  added: number;
  removed: number;
  modified: number;
}

function joined(...parts: [number, string][]): string[] {
  return parts.filter(([number]) => number > 0).map(([number, what]) => `${count(number)} ${what}`);
}

/**
 * Return `20 of 42 done, 1 failed` for a running run, and `39 of 42 succeeded, 3 failed`, or another
 * verb, for one that ended.
 */
export function outcomeText({ counts, finishedAt }: Outcome, verb = "succeeded"): string {
  const { total, processed, succeeded, failed, skipped } = counts;
  const hasEnded = finishedAt !== null;
  if (hasEnded && processed === 0 && !total) {
    return "No items";
  }
  const [part, what] = hasEnded ? [succeeded, verb] : [processed, "done"];
  const of = total === null ? "" : ` of ${count(total)}`;
  return [`${count(part)}${of} ${what}`, ...joined([failed, "failed"], [skipped, "skipped"])].join(", ");
}

/** `12 modified, 4 added`, or `No changes` */
export function findingsText({ added, removed, modified }: Findings): string {
  const parts = joined([modified, "modified"], [added, "added"], [removed, "removed"]);
  return parts.join(", ") || "No changes";
}
