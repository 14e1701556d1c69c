import { ApolloLink } from "@apollo/client";
import { map } from "rxjs";

/** The fields that an event of a run can change; all belong to the run's `version`. */
const VERSIONED = [
  "version",
  "status",
  "statusBucket",
  "statusExplanation",
  "counts",
  "progress",
  "attempt",
  "startedAt",
  "finishedAt",
  "expiresAt",
  "queuedSeconds",
  "runningSeconds",
  "failureCount",
] as const;
const MAX_RUNS = 5_000;

type Json = Record<string, unknown>;
interface Run extends Json {
  id: string;
  version: number;
}

function isRun(value: Json): value is Run {
  return value["__typename"] === "OperationRun" && typeof value["version"] === "number";
}

/**
 * Keep a late answer from resetting a run to an older state. A query's answer may arrive after a later
 * event. Of two readings of a run, the one with the higher `version` is newer.
 */
export function newestRuns(): (value: unknown) => void {
  const newest = new Map<string, Json>();

  function amend(run: Run): void {
    const known = newest.get(run.id);
    const isStale = known !== undefined && run.version < (known["version"] as number);
    const [from, to]: [Json, Json] = isStale ? [known, run] : [run, known ?? {}];
    for (const field of VERSIONED) {
      if (field in from && (!isStale || field in run)) {
        to[field] = from[field];
      }
    }
    if (!isStale) {
      newest.delete(run.id);
      newest.set(run.id, to);
      if (newest.size > MAX_RUNS) {
        newest.delete(newest.keys().next().value as string);
      }
    }
  }

  return function visit(value: unknown): void {
    if (Array.isArray(value)) {
      value.forEach(visit);
    } else if (value !== null && typeof value === "object") {
      const object = value as Json;
      if (isRun(object)) {
        amend(object);
      }
      Object.values(object).forEach(visit);
    }
  };
}

export function newestRunsLink(): ApolloLink {
  const amend = newestRuns();
  return new ApolloLink((operation, forward) =>
    forward(operation).pipe(
      map((result) => {
        amend(result.data);
        return result;
      }),
    ),
  );
}
