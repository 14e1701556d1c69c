import { Text } from "@mantine/core";
import type { ReactNode } from "react";
import { useTenant } from "../shell/tenant";
import { Page } from "../ui/Page";
import { Empty } from "../ui/states";
import { count, counted } from "../ui/words";
import { useFilters } from "./filters";
import { RunFilters } from "./RunFilters";
import { RunsTable } from "./RunsTable";
import { useChoices } from "./useChoices";
import { type Facets, useFacets } from "./useFacets";
import { useLiveRuns } from "./useLiveRuns";

export function OperationsPage(): ReactNode {
  const { id, name, titleOf } = useTenant();
  const { filters, apiFilter, active, change, clear } = useFilters();
  const live = useLiveRuns(id, apiFilter);
  const facets = useFacets(id, { ...apiFilter, statusBuckets: [] });
  const choices = useChoices(id, apiFilter);
  return (
    <Page lead={`Everything that runs in the background of ${name}, live.`} title="Operations">
      <RunFilters
        active={active}
        change={change}
        choices={choices}
        clear={clear}
        facets={facets}
        filters={filters}
        titleOf={titleOf}
      />
      <Text c="dimmed" role="status" size="sm">
        {!live.loading && totalText(live.runs.length, facets, filters.buckets)}
      </Text>
      <RunsTable
        caption="Operations, newest first"
        empty={
          active > 0 ? (
            <Empty title="No operation matches the filter" />
          ) : (
            <Empty title="Nothing ran in the last 30 days">
              Operations that you start under Features appear here at once.
            </Empty>
          )
        }
        live={live}
      />
    </Page>
  );
}

/** `25 of 1,234 operations shown` */
function totalText(shown: number, facets: Facets | undefined, buckets: readonly string[]): string {
  const total = facets?.byStatusBucket
    .filter(({ statusBucket }) => buckets.length === 0 || buckets.includes(statusBucket))
    .reduce((sum, entry) => sum + entry.count, 0);
  // The counts may be slightly older than the list.
  if (total === undefined || total <= shown) {
    return `${counted(shown, "operation")}`;
  }
  return `${count(shown)} of ${facets?.truncated ? "more than " : ""}${counted(total, "operation")} shown`;
}
