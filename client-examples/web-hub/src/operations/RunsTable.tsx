import { Table } from "@mantine/core";
import type { ReactNode } from "react";
import { useTenant } from "../shell/tenant";
import { LoadMore } from "../ui/LoadMore";
import { Scrollable } from "../ui/Scrollable";
import { Failure, Loading } from "../ui/states";
import { RunRow } from "./RunRow";
import type { LiveRuns } from "./useLiveRuns";

interface RunsTableProps {
  live: LiveRuns;
  caption: string;
  /** What to show when there is no run. */
  empty: ReactNode;
}

export function RunsTable({ live, caption, empty }: RunsTableProps): ReactNode {
  const { slug } = useTenant();
  const { runs, hasMore, loadMore, loading, error, retry } = live;
  if (loading) {
    return <Loading />;
  }
  if (error && runs.length === 0) {
    return <Failure error={error} retry={retry} />;
  }
  return (
    <>
      {error && <Failure error={error} retry={retry} />}
      {runs.length === 0 ? (
        empty
      ) : (
        <Scrollable label={caption}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th w={150}>Status</Table.Th>
                <Table.Th>Operation</Table.Th>
                <Table.Th>Items</Table.Th>
                <Table.Th visibleFrom="md">Started by</Table.Th>
                <Table.Th visibleFrom="sm">Created</Table.Th>
                <Table.Th ta="right" visibleFrom="sm">
                  Took
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {runs.map((run) => (
                <RunRow key={run.id} run={run} slug={slug} />
              ))}
            </Table.Tbody>
          </Scrollable>
      )}
      <LoadMore hasMore={hasMore} label="Show older operations" load={loadMore} />
    </>
  );
}
