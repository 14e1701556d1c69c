import { Table } from "@mantine/core";
import type { ReactNode } from "react";
import { useTenant } from "../shell/tenant";
import { DataTable } from "../ui/DataTable";
import { LoadMore } from "../ui/LoadMore";
import { Failure, Loading } from "../ui/states";
import { RunRow } from "./RunRow";
import { useFindings } from "./useFindings";
import type { LiveRuns } from "./useLiveRuns";

interface RunsTableProps {
  live: LiveRuns;
  caption: string;
  /** What to show when there is no run. */
  empty: ReactNode;
}

export function RunsTable({ live, caption, empty }: RunsTableProps): ReactNode {
  const { slug, titleOf } = useTenant();
  const { runs, hasMore, loadMore, loading, error, retry } = live;
  const findings = useFindings(runs);
  if (loading) {
    return <Loading />;
  }
  if (error && runs.length === 0) {
    return <Failure error={error} retry={retry} />;
  }
  return (
    <div>
      {error && <Failure error={error} retry={retry} />}
      {runs.length === 0 ? (
        empty
      ) : (
        <DataTable label={caption}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th visibleFrom="sm" w={190}>
                Status
              </Table.Th>
              <Table.Th>Operation</Table.Th>
              <Table.Th>Result</Table.Th>
              <Table.Th visibleFrom="md">Started by</Table.Th>
              <Table.Th visibleFrom="sm">Created</Table.Th>
              <Table.Th ta="right" visibleFrom="sm">
                Took
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {runs.map((run) => (
              <RunRow
                findings={findings.get(run.id)}
                key={run.id}
                run={run}
                slug={slug}
                titleOf={titleOf}
              />
            ))}
          </Table.Tbody>
        </DataTable>
      )}
      <LoadMore hasMore={hasMore} label="Show older operations" load={loadMore} />
    </div>
  );
}
