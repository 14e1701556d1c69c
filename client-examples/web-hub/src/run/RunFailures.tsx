import { useQuery } from "@apollo/client/react";
import { Accordion, Alert, Badge, Card, Code, Group, Table, Text, Title } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import { LoadMore } from "../ui/LoadMore";
import { DataTable } from "../ui/DataTable";
import { Failure, Loading } from "../ui/states";
import { count, counted } from "../ui/words";

const RunFailuresFragment = graphql(`
  fragment RunFailures on OperationRun {
    id
    failureCount
    failureGroups {
      reasonCode
      reason { title action }
      count
      retryable
      exampleMessage
    }
  }
`);

const FailuresOfReason = graphql(`
  query FailuresOfReason($run: ID!, $reasons: [String!]!, $after: String) {
    node(id: $run) {
      id
      __typename
      ... on OperationRun {
        failures(first: 20, after: $after, reasonCodes: $reasons) {
          edges {
            cursor
            node { itemKey message errorId attempt }
          }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  }
`);

/** The reasons of failures; the failed items on request. */
export function RunFailures({ run }: { run: FragmentType<typeof RunFailuresFragment> }): ReactNode {
  const { id, failureCount, failureGroups } = getFragmentData(RunFailuresFragment, run);
  const [opened, setOpened] = useState<string | null>(null);
  if (failureCount === 0) {
    return null;
  }
  return (
    <Card component="section" withBorder>
      <Title mb="sm" order={2} size="h4">
        {counted(failureCount, "failure")}
      </Title>
      <Accordion onChange={setOpened} order={3} value={opened} variant="separated">
        {failureGroups.map((group) => (
          <Accordion.Item key={group.reasonCode} value={group.reasonCode}>
            <Accordion.Control>
              <Group gap="xs">
                <Badge color="red" variant="light">
                  {count(group.count)}
                </Badge>
                <Text fw={600}>{group.reason.title}</Text>
              </Group>
              <Text mt={4} size="sm">
                {group.reason.action}{" "}
                {group.retryable ? "Starting again may help." : "Before that, starting again will not help."}
              </Text>
              <Text c="dimmed" lineClamp={1} mt={4} size="sm">
                {group.exampleMessage}
              </Text>
            </Accordion.Control>
            <Accordion.Panel>
              {opened === group.reasonCode && (
                <Failures count={group.count} reason={group.reasonCode} run={id} />
              )}
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
    </Card>
  );
}

interface FailuresProps {
  run: string;
  reason: string;
  /** The current number; if it grows, the items are loaded again. */
  count: number;
}

function Failures({ run, reason, count: current }: FailuresProps): ReactNode {
  const { data, error, fetchMore, refetch } = useQuery(FailuresOfReason, {
    variables: { run, reasons: [reason] },
    fetchPolicy: "cache-and-network",
  });
  if (error) {
    return <Failure error={error} retry={() => void refetch()} />;
  }
  if (data?.node?.__typename !== "OperationRun") {
    return <Loading rows={2} />;
  }
  const { edges, pageInfo } = data.node.failures;
  return (
    <>
      {!pageInfo.hasNextPage && current > edges.length && (
        <Alert mb="sm">
          There are more by now.{" "}
          <button className="link" onClick={() => void refetch()} type="button">
            Show them
          </button>
        </Alert>
      )}
      <DataTable label="Failed items">
          <Table.Thead>
            <Table.Tr>
              <Table.Th w="35%">Item</Table.Th>
              <Table.Th>Error</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {edges.map(({ node: { itemKey, message, errorId }, cursor }) => (
              <Table.Tr key={cursor}>
                <Table.Td className="value">{itemKey ?? "The whole operation"}</Table.Td>
                <Table.Td className="value">
                  {message}
                  {errorId && (
                    <Text c="dimmed" size="xs">
                      In the server's log as <Code>{errorId}</Code>
                    </Text>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </DataTable>
      <LoadMore
        hasMore={pageInfo.hasNextPage}
        label={`Show more of ${count(current)}`}
        load={() => fetchMore({ variables: { after: pageInfo.endCursor } })}
      />
    </>
  );
}
