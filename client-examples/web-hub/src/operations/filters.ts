/** The list's filter, kept in the address so that a link shows the same list. */

import { useMemo } from "react";
import { useSearchParams } from "react-router";
import type { OperationRunFilter, StatusBucket } from "../gql/graphql";
import { BUCKET_NAMES } from "../ui/StatusBadge";

export const RANGES = {
  "": { label: "Last 30 days", hours: undefined },
  "1h": { label: "Last hour", hours: 1 },
  "24h": { label: "Last 24 hours", hours: 24 },
  "7d": { label: "Last 7 days", hours: 7 * 24 },
  custom: { label: "Between …", hours: undefined },
} as const;
export type Range = keyof typeof RANGES;

export interface Filters {
  runTypes: string[];
  buckets: StatusBucket[];
  initiators: string[];
  range: Range;
  /** Local time, as returned by an input of type `datetime-local`; only for the range `custom`. */
  from: string;
  until: string;
}

function isBucket(name: string): name is StatusBucket {
  return BUCKET_NAMES.some((bucket) => bucket === name);
}

function isRange(name: string): name is Range {
  return Object.hasOwn(RANGES, name);
}

export function readFilters(params: URLSearchParams): Filters {
  const range = params.get("range") ?? "";
  return {
    runTypes: params.getAll("type"),
    buckets: params.getAll("status").filter(isBucket),
    initiators: params.getAll("by"),
    range: isRange(range) ? range : "",
    from: params.get("from") ?? "",
    until: params.get("until") ?? "",
  };
}

export function writeFilters({ runTypes, buckets, initiators, range, from, until }: Filters): URLSearchParams {
  const isCustom = range === "custom";
  return new URLSearchParams(
    [
      ...runTypes.map((runType) => ["type", runType]),
      ...buckets.map((bucket) => ["status", bucket]),
      ...initiators.map((initiator) => ["by", initiator]),
      ["range", range],
      ["from", isCustom ? from : ""],
      ["until", isCustom ? until : ""],
    ].filter(([, value]) => value),
  );
}

function iso(local: string): string | null {
  const time = Date.parse(local);
  return Number.isNaN(time) ? null : new Date(time).toISOString();
}

/** The API's filter for this one; `now` is in milliseconds. */
export function toApiFilter(filters: Filters, now: number): OperationRunFilter {
  const { runTypes, buckets, initiators, range, from, until } = filters;
  const { hours } = RANGES[range];
  const isCustom = range === "custom";
  const createdFrom = hours
    ? new Date(now - hours * 3_600_000).toISOString()
    : isCustom
      ? iso(from)
      : null;
  return {
    runTypes,
    statusBuckets: buckets,
    initiatorIds: initiators,
    createdFrom,
    createdUntil: isCustom ? iso(until) : null,
  };
}

interface UsedFilters {
  filters: Filters;
  apiFilter: OperationRunFilter;
  /** How many parts of the filter restrict the list. */
  active: number;
  change: (part: Partial<Filters>) => void;
  clear: () => void;
}

export function useFilters(): UsedFilters {
  const [params, setParams] = useSearchParams();
  const key = params.toString();
  return useMemo(() => {
    const filters = readFilters(new URLSearchParams(key));
    return {
      filters,
      // A window that moved with the clock would be a different list at every render.
      apiFilter: toApiFilter(filters, Date.now()),
      active: [filters.buckets, filters.runTypes, filters.initiators, filters.range].filter(
        ({ length }) => length > 0,
      ).length,
      change: (part) => {
        // After two quick changes, the address is newer than the rendered filter.
        const current = readFilters(new URLSearchParams(location.search));
        setParams(writeFilters({ ...current, ...part }), { replace: true });
      },
      clear: () => setParams({}, { replace: true }),
    };
  }, [key, setParams]);
}
