import { useQuery } from "@apollo/client/react";
import { Anchor, Code, Stack, Table, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Link, useParams } from "react-router";
import { graphql } from "../gql";
import { groupsPath, runPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { Ago } from "../ui/Ago";
import { DataTable } from "../ui/DataTable";
import { LoadMore } from "../ui/LoadMore";
import { Page } from "../ui/Page";
import { Empty, Failure, Loading } from "../ui/states";
import { counted, words } from "../ui/words";

const GroupDocument = graphql(`
  query Group($group: ID!, $after: String) {
    node(id: $group) {
      __typename
      id
      ... on Group {
        groupId
        name
        memberCount
        lastSyncedAt
        lastSyncedRunId
        members(first: 50, after: $after) {
          edges { cursor node { memberId kind } }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  }
`);

export function GroupPage(): ReactNode {
  const { slug } = useTenant();
  const { groupId = "" } = useParams();
  const { data, error, fetchMore, refetch } = useQuery(GroupDocument, {
    variables: { group: groupId },
    fetchPolicy: "cache-and-network",
  });
  const group = data?.node;
  if (error) {
    return <Failure error={error} retry={() => void refetch()} />;
  }
  if (!data) {
    return <Loading />;
  }
  if (group?.__typename !== "Group") {
    return <Empty title="There is no such group">It may have been deleted.</Empty>;
  }
  const { edges, pageInfo } = group.members;
  return (
    <Stack gap="xs">
      <Anchor component={Link} size="sm" to={groupsPath(slug)}>
        ← All groups
      </Anchor>
      <Page
        lead={
          <>
            <Code>{group.groupId}</Code>{" "}
            <Anchor component={Link} inherit to={runPath(slug, group.lastSyncedRunId)}>
              synced <Ago at={group.lastSyncedAt} />
            </Anchor>
          </>
        }
        title={group.name}
      >
        <Title order={2} size="h3">
          {counted(group.memberCount, "member")}
        </Title>
        {edges.length === 0 ? (
          <Empty title="The group has no members" />
        ) : (
          <DataTable label="Members">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Id</Table.Th>
                <Table.Th>Kind</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {edges.map(({ node: { memberId, kind } }) => (
                <Table.Tr key={memberId}>
                  <Table.Td className="value">{memberId}</Table.Td>
                  <Table.Td>{words(kind)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </DataTable>
        )}
        <LoadMore
          hasMore={pageInfo.hasNextPage}
          label="Show more members"
          load={() => fetchMore({ variables: { after: pageInfo.endCursor } })}
        />
      </Page>
    </Stack>
  );
}
