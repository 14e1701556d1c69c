import type { ReactNode } from "react";
import { useRouteError } from "react-router";
import { Failure } from "../ui/states";

/** A page that could not be loaded or drawn. After an upgrade its file may have another name. */
export function PageError(): ReactNode {
  const error = useRouteError();
  return (
    <Failure
      error={error instanceof Error ? error : new Error(String(error))}
      retry={() => location.reload()}
      title="This page could not be loaded"
    />
  );
}
