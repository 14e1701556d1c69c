import { Alert, Badge, Button } from "@mantine/core";
import { useDebouncedValue, useNetwork } from "@mantine/hooks";
import { IconPlugConnectedX } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { type Connection, useConnection } from "../api/connection";
import { signOut } from "../session";

// Most restarts take less time.
const PATIENCE_MS = 1_500;

const LOOKS: Record<Connection | "offline", { color: string; label: string; news?: string }> = {
  connecting: { color: "gray", label: "Connecting" },
  live: { color: "green", label: "Live" },
  reconnecting: {
    color: "orange",
    label: "Reconnecting",
    news: "The live connection was cut. You see the last known state. When the connection is back, everything that happened in between appears.",
  },
  refused: { color: "red", label: "Signed out", news: "Your token is no longer accepted." },
  offline: {
    color: "orange",
    label: "Offline",
    news: "Your device has no network. You see the last known state. When the network is back, everything that happened in between appears.",
  },
};

function useLine(): Connection | "offline" {
  const connection = useConnection();
  const { online } = useNetwork();
  return online ? connection : "offline";
}

/** One word for the state of the connection. */
export function ConnectionStatus(): ReactNode {
  const { color, label } = LOOKS[useLine()];
  return (
    <Badge className="status" color={color} component="output" variant="dot">
      {label}
    </Badge>
  );
}

/** Why the page is not live, if that lasts, and what it means. */
export function ConnectionBanner(): ReactNode {
  const state = useLine();
  const [lasting] = useDebouncedValue(state, PATIENCE_MS);
  const { color, label, news } = LOOKS[state];
  if (news === undefined || lasting !== state) {
    return null;
  }
  return (
    <Alert color={color} icon={<IconPlugConnectedX aria-hidden />} mb="md" role="status" title={label}>
      {news}
      {state === "refused" && (
        <Button display="block" mt="xs" onClick={signOut} size="xs" variant="default">
          Sign in again
        </Button>
      )}
    </Alert>
  );
}
