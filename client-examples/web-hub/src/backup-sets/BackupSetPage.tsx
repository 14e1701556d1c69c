import { useQuery } from "@apollo/client/react";
import { Anchor, Stack, Table, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Link, useParams } from "react-router";
import { graphql } from "../gql";
import { useTenant } from "../shell/tenant";
import { Ago } from "../ui/Ago";
import { LoadMore } from "../ui/LoadMore";
import { Page } from "../ui/Page";
import { DataTable } from "../ui/DataTable";
import { Empty, Failure, Loading } from "../ui/states";
import { counted, moment } from "../ui/words";
import { AddPolicies } from "./AddPolicies";

const BackupSetDocument = graphql(`
  query BackupSet($set: ID!, $after: String) {
    node(id: $set) {
      __typename
      id
      ... on BackupSet {
        name
        createdBy
        createdAt
        policyCount
        policies(first: 25, after: $after) {
          edges { cursor node { scopeKey policyId name policyType addedAt } }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  }
`);

export function BackupSetPage(): ReactNode {
  const { slug } = useTenant();
  const { setId = "" } = useParams();
  const { data, error, fetchMore, refetch } = useQuery(BackupSetDocument, {
    variables: { set: setId },
    fetchPolicy: "cache-and-network",
  });
  const set = data?.node;
  if (error) {
    return <Failure error={error} retry={() => void refetch()} />;
  }
  if (!data) {
    return <Loading />;
  }
  if (set?.__typename !== "BackupSet") {
    return <Empty title="There is no such backup set" />;
  }
  const { edges, pageInfo } = set.policies;
  return (
    <Stack gap="xs">
      <Anchor component={Link} size="sm" to={`/t/${slug}/backup-sets`}>
        ← All backup sets
      </Anchor>
      <Page
        lead={`${counted(set.policyCount, "policy", "policies")}. Created by ${set.createdBy}, ${moment(set.createdAt)}.`}
        title={set.name}
      >
        <AddPolicies onAdded={() => void refetch()} setId={set.id} />
        <Title order={2} size="h3">
          Policies in this set
        </Title>
        {edges.length === 0 ? (
          <Empty title="The set is empty">Add policies of a synced scope.</Empty>
        ) : (
          <DataTable label="Policies in this set">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Name</Table.Th>
                  <Table.Th visibleFrom="sm">Scope</Table.Th>
                  <Table.Th visibleFrom="md">Type</Table.Th>
                  <Table.Th>Added</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {edges.map(({ cursor, node }) => (
                  <Table.Tr key={cursor}>
                    <Table.Td>{node.name}</Table.Td>
                    <Table.Td visibleFrom="sm">{node.scopeKey}</Table.Td>
                    <Table.Td visibleFrom="md">{node.policyType}</Table.Td>
                    <Table.Td>
                      <Ago at={node.addedAt} />
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </DataTable>
        )}
        <LoadMore
          hasMore={pageInfo.hasNextPage}
          label="Show more policies"
          load={() => fetchMore({ variables: { after: pageInfo.endCursor } })}
        />
      </Page>
    </Stack>
  );
}
