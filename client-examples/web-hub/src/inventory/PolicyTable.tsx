import { Table, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useTenant } from "../shell/tenant";
import { LoadMore } from "../ui/LoadMore";
import { DataTable } from "../ui/DataTable";
import { Empty, Failure, Loading } from "../ui/states";
import { usePolicies } from "./policies";

/** The policies of a scope as of its last complete sync. */
export function PolicyTable({ scope }: { scope: string }): ReactNode {
  const { id } = useTenant();
  const { policies, error, hasMore, loadMore, retry } = usePolicies(id, scope);
  return (
    <section>
      <Title mb="sm" order={2} size="h3">
        Policies of {scope}
      </Title>
      {error ? (
        <Failure error={error} retry={retry} />
      ) : !policies ? (
        <Loading rows={3} />
      ) : policies.length === 0 ? (
        <Empty title="No policies">The scope has no complete sync yet, or it is empty.</Empty>
      ) : (
        <DataTable label={`Policies of ${scope}`}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Name</Table.Th>
                <Table.Th visibleFrom="sm">Type</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {policies.map(({ id: policy, name, policyType }) => (
                <Table.Tr key={policy}>
                  <Table.Td>{name}</Table.Td>
                  <Table.Td visibleFrom="sm">{policyType}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </DataTable>
      )}
      <LoadMore hasMore={hasMore} label="Show more policies" load={loadMore} />
    </section>
  );
}
