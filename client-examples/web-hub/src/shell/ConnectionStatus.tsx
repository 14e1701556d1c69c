import { Alert, Badge, Button } from "@mantine/core";
import { useDebouncedValue, useNetwork } from "@mantine/hooks";
import { IconPlugConnectedX } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { type Connection, useConnection } from "../api/connection";
import { signOut } from "../session";

// A restart is over sooner, mostly.
const PATIENCE_MS = 1_500;

const LOOKS: Record<Connection | "offline", { color: string; label: string; news?: string }> = {
  connecting: { color: "gray", label: "Connecting" },
  live: { color: "green", label: "Live" },
  reconnecting: {
    color: "orange",
    label: "Reconnecting",
    news: "The live connection was cut. You see the last known state; when the connection is back, everything that happened meanwhile shows up.",
  },
  refused: { color: "red", label: "Signed out", news: "Your token is not accepted any more." },
  offline: {
    color: "orange",
    label: "Offline",
    news: "Your device has no network. You see the last known state; when the network is back, everything that happened meanwhile shows up.",
  },
};

function useLine(): Connection | "offline" {
  const connection = useConnection();
  const { online } = useNetwork();
  return online ? connection : "offline";
}

/** Whether what one sees is live, in a word. */
export function ConnectionStatus(): ReactNode {
  const { color, label } = LOOKS[useLine()];
  return (
    <Badge className="status" color={color} component="output" variant="dot">
      {label}
    </Badge>
  );
}

/** Why it is not live, once that lasts, and what it means for the page. */
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
