import { Anchor, Button, Stack, Text } from "@mantine/core";
import { notifications as toasts } from "@mantine/notifications";
import { IconPlayerPlay } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { Link } from "react-router";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import { runPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { runTypeName } from "../ui/words";
import type { Permission } from "./permission";

const StartedFragment = graphql(`
  fragment Started on StartRunPayload {
    outcome
    run { id runType }
    userErrors { message }
  }
`);

interface StartButtonProps {
  label: string;
  permission: Permission;
  disabled?: boolean;
  start: () => Promise<FragmentType<typeof StartedFragment> | undefined>;
  onStarted?: () => void;
}

/**
 * Starts an operation and says right here what to mend; a toast tells of the same work that is
 * already under way. That a new run is queued is told by its notification.
 */
export function StartButton(props: StartButtonProps): ReactNode {
  const { label, permission, disabled = false, start, onStarted } = props;
  const { slug } = useTenant();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");

  async function press(): Promise<void> {
    setBusy(true);
    setProblem("");
    try {
      const payload = getFragmentData(StartedFragment, await start());
      if (!payload?.run) {
        setProblem(payload?.userErrors.map(({ message }) => message).join(" ") ?? "");
        return;
      }
      if (payload.outcome === "REUSED_ACTIVE") {
        toasts.show({
          closeButtonProps: { "aria-label": "Dismiss" },
          title: `${runTypeName(payload.run.runType)} is already under way`,
          message: (
            <Anchor component={Link} inherit to={runPath(slug, payload.run.id)}>
              View run
            </Anchor>
          ),
        });
      }
      onStarted?.();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  }

  if (!permission.allowed) {
    return null;
  }
  return (
    <Stack gap={4}>
      <Button
        disabled={disabled}
        leftSection={<IconPlayerPlay aria-hidden size={16} />}
        loading={busy}
        onClick={() => void press()}
        style={{ alignSelf: "flex-start" }}
      >
        {label}
      </Button>
      <Text c="var(--hub-red)" role="alert" size="sm">
        {problem}
      </Text>
    </Stack>
  );
}
