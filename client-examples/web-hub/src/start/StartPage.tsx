import { Anchor, Table, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { startPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { DataTable } from "../ui/DataTable";
import { Page } from "../ui/Page";
import { Empty, Failure, Loading } from "../ui/states";
import { useRunTypes } from "./useRunTypes";

/** The run types of this installation, built-in ones and those of other packages. */
export function StartPage(): ReactNode {
  const { id, slug } = useTenant();
  const { runTypes, error, retry } = useRunTypes(id);
  return (
    <Page lead="Everything that can run in the background, including the operations of other packages." title="Start an operation">
      {error && <Failure error={error} retry={retry} />}
      {!runTypes ? (
        !error && <Loading rows={3} />
      ) : runTypes.length === 0 ? (
        <Empty title="There is nothing to start">
          Packages that are installed beside Opsrun announce operations.
        </Empty>
      ) : (
        <DataTable label="Operations to start">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Operation</Table.Th>
              <Table.Th w="35%">May you start it?</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {runTypes.map(({ name, title, description, startPermission }) => (
              <Table.Tr key={name}>
                <Table.Th className="value" fw={400} scope="row">
                  <Anchor component={Link} fw={500} inherit to={startPath(slug, name)}>
                    {title}
                  </Anchor>
                  <Text c="dimmed" size="sm">
                    {description}
                  </Text>
                </Table.Th>
                <Table.Td>{startPermission.allowed ? "Yes" : startPermission.reason}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </DataTable>
      )}
    </Page>
  );
}
