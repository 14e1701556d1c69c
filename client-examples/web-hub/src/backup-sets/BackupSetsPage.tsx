import { useMutation, useQuery } from "@apollo/client/react";
import { Anchor, Button, Group, Table, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import { Link } from "react-router";
import { graphql } from "../gql";
import type { TenantRole } from "../gql/graphql";
import { backupSetPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { Ago } from "../ui/Ago";
import { LoadMore } from "../ui/LoadMore";
import { Page } from "../ui/Page";
import { DataTable } from "../ui/DataTable";
import { Empty, Failure, Loading } from "../ui/states";
import { count } from "../ui/words";

const BackupSets = graphql(`
  query BackupSets($tenant: ID!, $after: String) {
    tenant(id: $tenant) {
      id
      backupSets(first: 25, after: $after) {
        edges { cursor node { id name createdBy createdAt policyCount } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
`);

const CreateSet = graphql(`
  mutation CreateSet($input: CreateBackupSetInput!) {
    createBackupSet(input: $input) {
      backupSet { id }
      userErrors { message }
    }
  }
`);

const MAY_CREATE: ReadonlySet<TenantRole> = new Set(["MANAGER", "OWNER"]);

export function BackupSetsPage(): ReactNode {
  const { id, slug, role } = useTenant();
  const { data, error, fetchMore, refetch } = useQuery(BackupSets, {
    variables: { tenant: id },
    fetchPolicy: "cache-and-network",
  });
  const sets = data?.tenant.backupSets;
  return (
    <Page lead="Named sets of policies, kept as they were when they were added." title="Backup sets">
      {MAY_CREATE.has(role) && <CreateForm onCreated={() => void refetch()} />}
      {error && <Failure error={error} retry={() => void refetch()} />}
      {!sets ? (
        !error && <Loading rows={3} />
      ) : sets.edges.length === 0 ? (
        <Empty title="No backup sets">
          {MAY_CREATE.has(role)
            ? "Create the first one above."
            : "A manager or an owner of the tenant can create one."}
        </Empty>
      ) : (
        <DataTable label="Backup sets">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Name</Table.Th>
                <Table.Th>Policies</Table.Th>
                <Table.Th visibleFrom="sm">Created by</Table.Th>
                <Table.Th visibleFrom="sm">Created</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {sets.edges.map(({ node }) => (
                <Table.Tr key={node.id}>
                  <Table.Td>
                    <Anchor component={Link} inherit to={backupSetPath(slug, node.id)}>
                      {node.name}
                    </Anchor>
                  </Table.Td>
                  <Table.Td>{count(node.policyCount)}</Table.Td>
                  <Table.Td visibleFrom="sm">{node.createdBy}</Table.Td>
                  <Table.Td visibleFrom="sm">
                    <Ago at={node.createdAt} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </DataTable>
      )}
      <LoadMore
        hasMore={sets?.pageInfo.hasNextPage ?? false}
        load={() => fetchMore({ variables: { after: sets?.pageInfo.endCursor } })}
      />
    </Page>
  );
}

function CreateForm({ onCreated }: { onCreated: () => void }): ReactNode {
  const { id } = useTenant();
  const [name, setName] = useState("");
  const [problem, setProblem] = useState("");
  const [createSet, { loading }] = useMutation(CreateSet);

  async function create(event: FormEvent): Promise<void> {
    event.preventDefault();
    try {
      const { data } = await createSet({ variables: { input: { tenantId: id, name } } });
      const errors = data?.createBackupSet.userErrors ?? [];
      setProblem(errors.map(({ message }) => message).join(" "));
      if (errors.length === 0) {
        setName("");
        onCreated();
      }
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  }

  return (
    <Group align="flex-start" component="form" onSubmit={(event) => void create(event)}>
      <TextInput
        error={problem}
        label="New backup set"
        onChange={({ currentTarget }) => setName(currentTarget.value)}
        placeholder="Before the migration"
        required
        value={name}
      />
      <Button loading={loading} mt={25} type="submit">
        Create
      </Button>
    </Group>
  );
}
