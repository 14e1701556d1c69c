import { ApolloLink } from "@apollo/client";
import { tap } from "rxjs";

function cursorOf(data: object | null | undefined): string | undefined {
  const event = Object.values(data ?? {})[0] as { cursor?: unknown } | undefined;
  return typeof event?.cursor === "string" ? event.cursor : undefined;
}

/**
 * Let every subscription continue after its last event when the WebSocket reconnects. graphql-ws sends
 * the same variables again; this link puts the newest cursor into them.
 */
export const resume = new ApolloLink((operation, forward) => {
  operation.variables = { ...operation.variables };
  return forward(operation).pipe(
    tap(({ data }) => {
      const cursor = cursorOf(data);
      if (cursor !== undefined) {
        operation.variables["after"] = cursor;
      }
    }),
  );
});
