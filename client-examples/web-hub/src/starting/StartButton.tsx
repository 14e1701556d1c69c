import { Anchor, Button, Stack, Text } from "@mantine/core";
import { notifications as toasts } from "@mantine/notifications";
import { IconPlayerPlay } from "@tabler/icons-react";
import { type ReactNode, useId, useState } from "react";
import { Link } from "react-router";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import { runPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { runTitle } from "../ui/words";
import type { Permission } from "./permission";

const StartedFragment = graphql(`
  fragment Started on StartRunPayload {
    outcome
    run { id runType subject }
    userErrors { message }
  }
`);

export interface StartButtonProps {
  label: ReactNode;
  permission: Permission;
  /** Why the operation cannot start now, if it cannot. */
  obstacle?: string | undefined;
  variant?: "filled" | "default";
  start: () => Promise<FragmentType<typeof StartedFragment> | undefined>;
  onStarted?: () => void;
}

/**
 * Starts an operation, or shows next to the button why it cannot start or what to correct. If the same
 * work is already active, a toast links to it. A new run sends its own notification.
 */
export function StartButton(props: StartButtonProps): ReactNode {
  const { label, permission, obstacle, variant = "filled", start, onStarted } = props;
  const { slug, titleOf } = useTenant();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const reason = useId();

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
          title: `${runTitle(payload.run, titleOf)} is already under way`,
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
        aria-describedby={reason}
        disabled={obstacle !== undefined}
        leftSection={<IconPlayerPlay aria-hidden size={16} />}
        loading={busy}
        onClick={() => void press()}
        style={{ alignSelf: "flex-start" }}
        variant={variant}
      >
        {label}
      </Button>
      <Text c="dimmed" id={reason} size="sm">
        {obstacle}
      </Text>
      <Text c="var(--hub-red)" role="alert" size="sm">
        {problem}
      </Text>
    </Stack>
  );
}
