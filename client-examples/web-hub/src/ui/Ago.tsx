import { Text, type TextProps } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";
import { ago, duration, moment } from "./words";

const EVERY_MS = 1_000;

/** The time now, in milliseconds; ticks while `active`. */
export function useNow(active = true): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!active) {
      return undefined;
    }
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), EVERY_MS);
    return () => clearInterval(timer);
  }, [active]);
  return now;
}

export function Ago({ at, ...props }: TextProps & { at: string }): ReactNode {
  const now = useNow();
  return (
    <Text component="time" dateTime={at} inherit title={moment(at)} {...props}>
      {ago(at, now)}
    </Text>
  );
}

interface ElapsedProps {
  from: string | null;
  until: string | null;
}

/** How long something took, or has taken so far. */
export function Elapsed({ from, until }: ElapsedProps): ReactNode {
  const now = useNow(from !== null && until === null);
  if (from === null) {
    return <span aria-label="not started">–</span>;
  }
  const end = until === null ? now : Date.parse(until);
  return <span>{duration((end - Date.parse(from)) / 1000)}</span>;
}
