import { Button, Chip, Group, MultiSelect, NativeSelect, Stack, TextInput } from "@mantine/core";
import { memo, type ReactNode } from "react";
import type { RunFacetsQuery, StatusBucket } from "../gql/graphql";
import { BUCKET_NAMES, BUCKETS } from "../ui/StatusBadge";
import { count, runTypeName } from "../ui/words";
import { type Filters, RANGES, type Range } from "./filters";

interface RunFiltersProps {
  filters: Filters;
  change: (part: Partial<Filters>) => void;
  /** Not there when nothing is filtered. */
  clear: (() => void) | undefined;
  facets: RunFacetsQuery["tenant"]["operationRunFacets"] | undefined;
  /** Names of initiators by id, as far as they are known. */
  initiators: ReadonlyMap<string, string>;
}

export const RunFilters = memo(function RunFilters(props: RunFiltersProps): ReactNode {
  const { filters, change, clear, facets, initiators } = props;
  const counts = new Map(facets?.byStatusBucket.map((entry) => [entry.statusBucket, entry.count]));
  const types = new Map(facets?.byRunType.map((entry) => [entry.runType, entry.count]));
  return (
    <Stack component="section" aria-label="Filter" gap="sm">
      <Chip.Group
        multiple
        onChange={(buckets) => change({ buckets: buckets as StatusBucket[] })}
        value={filters.buckets}
      >
        <Group aria-label="Status" gap="xs" role="group">
          {BUCKET_NAMES.map((bucket) => (
            <Chip color={BUCKETS[bucket].color} data-bucket={bucket} key={bucket} value={bucket} variant="outline">
              {BUCKETS[bucket].label} <b>{facets ? count(counts.get(bucket) ?? 0) : "…"}</b>
            </Chip>
          ))}
        </Group>
      </Chip.Group>
      <Group align="flex-end" gap="sm">
        <MultiSelect
          className="filter"
          clearable
          data={[...new Set([...types.keys(), ...filters.runTypes])].map((runType) => ({
            value: runType,
            label: `${runTypeName(runType)} (${count(types.get(runType) ?? 0)})`,
          }))}
          label="Type"
          onChange={(runTypes) => change({ runTypes })}
          placeholder={filters.runTypes.length ? "" : "All types"}
          value={filters.runTypes}
        />
        <MultiSelect
          className="filter"
          clearable
          data={[...new Set([...initiators.keys(), ...filters.initiators])].map((id) => ({
            value: id,
            label: initiators.get(id) ?? "Somebody",
          }))}
          label="Started by"
          onChange={(chosen) => change({ initiators: chosen })}
          placeholder={filters.initiators.length ? "" : "Anybody"}
          value={filters.initiators}
        />
        <NativeSelect
          data={Object.entries(RANGES).map(([value, { label }]) => ({ value, label }))}
          label="Created"
          onChange={({ currentTarget }) => change({ range: currentTarget.value as Range })}
          value={filters.range}
        />
        {filters.range === "custom" && (
          <>
            <TextInput
              label="From"
              onChange={({ currentTarget }) => change({ from: currentTarget.value })}
              type="datetime-local"
              value={filters.from}
            />
            <TextInput
              label="Until"
              onChange={({ currentTarget }) => change({ until: currentTarget.value })}
              type="datetime-local"
              value={filters.until}
            />
          </>
        )}
        {clear && (
          <Button onClick={clear} variant="subtle">
            Clear filters
          </Button>
        )}
      </Group>
    </Stack>
  );
});
