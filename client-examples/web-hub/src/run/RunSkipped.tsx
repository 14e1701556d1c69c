import { useQuery } from "@apollo/client/react";
import { Card, Table, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { graphql } from "../gql";
import { DataTable } from "../ui/DataTable";
import { LoadMore } from "../ui/LoadMore";
import { Failure, Loading } from "../ui/states";
import { counted } from "../ui/words";

const SkippedItems = graphql(`
  query SkippedItems($run: ID!, $after: String) {
    node(id: $run) {
      id
      __typename
      ... on OperationRun {
        skippedItems(first: 20, after: $after) {
          edges {
            cursor
            node { itemKey reason }
          }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  }
`);

/** The skipped items of a run, with reasons. To reload them, mount the component again. */
export function RunSkipped({ run, count }: { run: string; count: number }): ReactNode {
  const { data, error, fetchMore, refetch } = useQuery(SkippedItems, {
    variables: { run },
    fetchPolicy: "cache-and-network",
  });
  const items = data?.node?.__typename === "OperationRun" ? data.node.skippedItems : undefined;
  return (
    <Card component="section" withBorder>
      <Title mb="sm" order={2} size="h4">
        {counted(count, "skipped item")}
      </Title>
      {error && <Failure error={error} retry={() => void refetch()} />}
      {!items ? (
        !error && <Loading rows={2} />
      ) : (
        <DataTable label="Skipped items">
          <Table.Thead>
            <Table.Tr>
              <Table.Th w="45%">Item</Table.Th>
              <Table.Th>Why it was skipped</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.edges.map(({ cursor, node: { itemKey, reason } }) => (
              <Table.Tr key={cursor}>
                <Table.Td className="value">{itemKey}</Table.Td>
                <Table.Td className="value">{reason ?? "Not recorded"}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </DataTable>
      )}
      <LoadMore
        hasMore={items?.pageInfo.hasNextPage ?? false}
        label="Show more skipped items"
        load={() => fetchMore({ variables: { after: items?.pageInfo.endCursor } })}
      />
    </Card>
  );
}
