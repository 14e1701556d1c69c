import { VisuallyHidden } from "@mantine/core";
import { type ReactNode, useRef } from "react";
import { getFragmentData } from "../gql";
import { useTenant } from "../shell/tenant";
import { Page } from "../ui/Page";
import { Empty } from "../ui/states";
import { counted } from "../ui/words";
import { useFilters } from "./filters";
import { RunFilters } from "./RunFilters";
import { RunRowFragment } from "./RunRow";
import { RunsTable } from "./RunsTable";
import { useFacets } from "./useFacets";
import { type LiveRuns, useLiveRuns } from "./useLiveRuns";

/** Everybody who started a run that was seen here; a filter must not make the others vanish. */
function useInitiators(runs: LiveRuns["runs"]): ReadonlyMap<string, string> {
  const seen = useRef(new Map<string, string>());
  for (const { initiator } of getFragmentData(RunRowFragment, runs)) {
    seen.current.set(initiator.id, initiator.name);
  }
  return seen.current;
}

export function OperationsPage(): ReactNode {
  const { id, name } = useTenant();
  const { filters, apiFilter, isFiltered, change, clear } = useFilters();
  const live = useLiveRuns(id, apiFilter);
  const facets = useFacets(id, { ...apiFilter, statusBuckets: [] });
  const initiators = useInitiators(live.runs);
  return (
    <Page lead={`Everything that runs in the background of ${name}, live.`} title="Operations">
      <RunFilters
        change={change}
        clear={isFiltered ? clear : undefined}
        facets={facets}
        filters={filters}
        initiators={initiators}
      />
      <VisuallyHidden role="status">
        {!live.loading && `${counted(live.runs.length, "operation")} shown`}
      </VisuallyHidden>
      <RunsTable
        caption="Operations, newest first"
        empty={
          isFiltered ? (
            <Empty title="No operation matches the filter" />
          ) : (
            <Empty title="Nothing ran in the last 30 days">
              What is started under Inventory, Drift or Backup sets shows up here at once.
            </Empty>
          )
        }
        live={live}
      />
    </Page>
  );
}
