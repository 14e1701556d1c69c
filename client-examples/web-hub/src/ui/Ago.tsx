import type { ReactNode } from "react";
import { useClock } from "./clock";
import { ago, duration, moment } from "./words";

export function Ago({ at }: { at: string }): ReactNode {
  const text = useClock((now) => ago(at, now));
  return (
    <time dateTime={at} title={moment(at)}>
      {text}
    </time>
  );
}

interface ElapsedProps {
  from: string | null;
  until: string | null;
}

/** How long an operation took, or has taken until now. */
export function Elapsed({ from, until }: ElapsedProps): ReactNode {
  return useClock((now) => {
    if (from === null) {
      return "–";
    }
    const end = until === null ? now : Date.parse(until);
    return duration((end - Date.parse(from)) / 1000);
  });
}
