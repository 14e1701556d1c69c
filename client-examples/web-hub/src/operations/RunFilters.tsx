import { Button, Chip, Collapse, Group, MultiSelect, NativeSelect, Stack, TextInput } from "@mantine/core";
import { useDisclosure, useMediaQuery } from "@mantine/hooks";
import { IconFilter } from "@tabler/icons-react";
import { memo, type ReactNode } from "react";
import type { StatusBucket } from "../gql/graphql";
import type { TitleOf } from "../shell/runTypes";
import { BUCKET_NAMES, BUCKETS } from "../ui/StatusBadge";
import { count, initiatorName, zone } from "../ui/words";
import { type Filters, RANGES, type Range } from "./filters";
import type { Choices } from "./useChoices";
import type { Facets } from "./useFacets";

interface RunFiltersProps {
  filters: Filters;
  change: (part: Partial<Filters>) => void;
  clear: () => void;
  /** How many parts of the filter restrict the list. */
  active: number;
  facets: Facets | undefined;
  choices: Choices;
  titleOf: TitleOf;
}

/** The filter of the list; on a phone it folds into a button. */
export const RunFilters = memo(function RunFilters(props: RunFiltersProps): ReactNode {
  const { active } = props;
  const isNarrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const [opened, { toggle }] = useDisclosure();
  if (!isNarrow) {
    return <Fields {...props} />;
  }
  return (
    <div>
      <Button
        aria-expanded={opened}
        leftSection={<IconFilter aria-hidden size={16} />}
        onClick={toggle}
        variant="default"
      >
        {active > 0 ? `Filters (${active})` : "Filters"}
      </Button>
      <Collapse expanded={opened} pt="sm">
        <Fields {...props} />
      </Collapse>
    </div>
  );
});

function Fields(props: RunFiltersProps): ReactNode {
  const { filters, change, clear, active, facets, choices, titleOf } = props;
  const counts = new Map(facets?.byStatusBucket.map((entry) => [entry.statusBucket, entry.count]));
  const types = new Map(choices.types.map((entry) => [entry.runType, entry.count]));
  const initiators = new Map(
    choices.initiators.map(({ initiator, count: runs }) => [
      initiator.actorId,
      `${initiatorName(initiator)} (${count(runs)})`,
    ]),
  );
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
            label: `${titleOf(runType)} (${count(types.get(runType) ?? 0)})`,
          }))}
          label="Type"
          onChange={(runTypes) => change({ runTypes })}
          onDropdownOpen={choices.refresh}
          placeholder={filters.runTypes.length ? "" : "All types"}
          value={filters.runTypes}
        />
        <MultiSelect
          className="filter"
          clearable
          data={[...new Set([...initiators.keys(), ...filters.initiators])].map((id) => ({
            value: id,
            label: initiators.get(id) ?? "Somebody else (0)",
          }))}
          label="Started by"
          onChange={(chosen) => change({ initiators: chosen })}
          onDropdownOpen={choices.refresh}
          placeholder={filters.initiators.length ? "" : "Anybody"}
          searchable
          value={filters.initiators}
        />
        <NativeSelect
          className="filter"
          data={Object.entries(RANGES).map(([value, { label }]) => ({ value, label }))}
          label="Created"
          onChange={({ currentTarget }) => change({ range: currentTarget.value as Range })}
          value={filters.range}
        />
        {filters.range === "custom" && (
          <>
            <Moment label="From" onChange={(from) => change({ from })} value={filters.from} />
            <Moment label="Until" onChange={(until) => change({ until })} value={filters.until} />
          </>
        )}
        {active > 0 && (
          <Button onClick={clear} variant="subtle">
            Clear filters
          </Button>
        )}
      </Group>
    </Stack>
  );
}

interface MomentProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
}

function Moment({ label, value, onChange }: MomentProps): ReactNode {
  return (
    <TextInput
      className="filter"
      label={`${label} (${zone()})`}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
      type="datetime-local"
      value={value}
    />
  );
}
