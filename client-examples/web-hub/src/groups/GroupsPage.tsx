import { useMutation, useQuery } from "@apollo/client/react";
import { Anchor, Table, TextInput, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "react-router";
import { graphql } from "../gql";
import { hasEnded } from "../operations/RunRow";
import { RunsTable } from "../operations/RunsTable";
import { useLiveRuns } from "../operations/useLiveRuns";
import { groupPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { StartButton } from "../starting/StartButton";
import { StartNote } from "../starting/StartNote";
import { useStartPermission } from "../starting/permission";
import { DataTable } from "../ui/DataTable";
import { LoadMore } from "../ui/LoadMore";
import { Page } from "../ui/Page";
import { Empty, Failure, Loading } from "../ui/states";
import { count, counted, moment } from "../ui/words";

const SYNC = "group.sync";
const TYPING_MS = 300;

const GroupsDocument = graphql(`
  query Groups($tenant: ID!, $search: String, $after: String) {
    tenant(id: $tenant) {
      id
      groupDirectory { lastSyncedAt groupCount }
      groups(search: $search, first: 25, after: $after) {
        edges { cursor node { id name memberCount } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
`);

const StartGroupSync = graphql(`
  mutation StartGroupSync($input: StartGroupSyncInput!) {
    startGroupSync(input: $input) { ...Started }
  }
`);

export function GroupsPage(): ReactNode {
  const { id } = useTenant();
  const permission = useStartPermission(id, SYNC);
  const [startSync] = useMutation(StartGroupSync);
  const syncs = useLiveRuns(id, { runTypes: [SYNC] }, 5);
  const ended = syncs.runs.filter(hasEnded).length;
  return (
    <Page
      actions={
        <StartButton
          label="Sync groups"
          permission={permission}
          start={async () => {
            const { data } = await startSync({ variables: { input: { tenantId: id } } });
            return data?.startGroupSync;
          }}
        />
      }
      lead="The groups of the tenant, as they are in Microsoft Entra. Drift shows their names."
      title="Groups"
    >
      <StartNote permission={permission} />
      <Title order={2} size="h3">
        Syncs
      </Title>
      <RunsTable
        caption="Syncs of groups, newest first"
        empty={<Empty title="Nothing was synced in the last 30 days" />}
        live={syncs}
      />
      <GroupTable ended={ended} />
    </Page>
  );
}

/** The stored groups; they are read again after each sync that ends. */
function GroupTable({ ended }: { ended: number }): ReactNode {
  const { id, slug } = useTenant();
  const [text, setText] = useState("");
  const [search] = useDebouncedValue(text.trim(), TYPING_MS);
  const { data, previousData, error, fetchMore, refetch } = useQuery(GroupsDocument, {
    variables: { tenant: id, search: search || null },
    fetchPolicy: "cache-and-network",
  });
  useEffect(() => void refetch(), [ended, refetch]);
  if (error) {
    return <Failure error={error} retry={() => void refetch()} />;
  }
  const tenant = (data ?? previousData)?.tenant;
  if (!tenant) {
    return <Loading rows={3} />;
  }
  const { groupDirectory: directory, groups } = tenant;
  return (
    <section>
      <Title mb="sm" order={2} size="h3">
        {directory
          ? `${counted(directory.groupCount, "group")}, as of ${moment(directory.lastSyncedAt)}`
          : "Groups"}
      </Title>
      <TextInput
        label="Name contains"
        maw={320}
        mb="sm"
        onChange={(event) => setText(event.currentTarget.value)}
        type="search"
        value={text}
      />
      {groups.edges.length === 0 ? (
        <Empty title="No groups">
          {search ? "No group has such a name." : "Groups appear here once they are synced."}
        </Empty>
      ) : (
        <DataTable label="Groups">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Name</Table.Th>
              <Table.Th ta="right">Members</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {groups.edges.map(({ node: { id: group, name, memberCount } }) => (
              <Table.Tr key={group}>
                <Table.Td className="value">
                  <Anchor component={Link} inherit to={groupPath(slug, group)}>
                    {name}
                  </Anchor>
                </Table.Td>
                <Table.Td ta="right">{count(memberCount)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </DataTable>
      )}
      <LoadMore
        hasMore={groups.pageInfo.hasNextPage}
        label="Show more groups"
        load={() => fetchMore({ variables: { after: groups.pageInfo.endCursor } })}
      />
    </section>
  );
}
