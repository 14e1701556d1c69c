import { useQuery } from "@apollo/client/react";
import { Button, Group, Modal, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { ReactNode } from "react";
import { graphql } from "../gql";
import { StartButton, type StartButtonProps } from "../starting/StartButton";
import type { Permission } from "../starting/permission";

const FailedAsEmpty = graphql(`
  query FailedAsEmpty($run: ID!) {
    node(id: $run) {
      id
      __typename
      ... on OperationRun {
        failureGroups { reasonCode }
      }
    }
  }
`);

interface SyncAsEmptyProps {
  scope: string;
  /** The last sync, which failed. */
  run: string;
  permission: Permission;
  start: StartButtonProps["start"];
}

/** Offers to sync a scope as empty if its last sync failed because it found no policy. */
export function SyncAsEmpty({ scope, run, permission, start }: SyncAsEmptyProps): ReactNode {
  const { data } = useQuery(FailedAsEmpty, { variables: { run } });
  const [opened, { open, close }] = useDisclosure();
  const groups = data?.node?.__typename === "OperationRun" ? data.node.failureGroups : [];
  if (!permission.allowed || !groups.some(({ reasonCode }) => reasonCode === "SCOPE_EMPTY")) {
    return null;
  }
  return (
    <div>
      <Text mb="xs" size="sm">
        The scope had policies before and has none now. If that is right, sync it as empty.
      </Text>
      <Button onClick={open} variant="default">
        Sync as empty<span className="hidden"> {scope}</span>
      </Button>
      <Modal closeButtonProps={{ "aria-label": "Close" }} onClose={close} opened={opened} title={`Is ${scope} empty?`}>
        <Text mb="md">
          Its next snapshot will hold no policies, and a comparison will report all policies as removed.
        </Text>
        <Group>
          <StartButton label="Sync as empty" onStarted={close} permission={permission} start={start} />
          <Button onClick={close} style={{ alignSelf: "flex-start" }} variant="default">
            Cancel
          </Button>
        </Group>
      </Modal>
    </div>
  );
}
