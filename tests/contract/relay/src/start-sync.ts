import { commitMutation, graphql, type Disposable, type IEnvironment } from "relay-runtime";
import type { startSyncMutation } from "./__generated__/startSyncMutation.graphql.js";

const Start = graphql`
  mutation startSyncMutation($input: StartInventorySyncInput!) {
    startInventorySync(input: $input) {
      outcome
      run {
        id
        url
      }
      userErrors {
        code
        field
        message
      }
    }
  }
`;

export function start(
  environment: IEnvironment,
  input: startSyncMutation["variables"]["input"],
  tell: (message: string) => void,
): Disposable {
  return commitMutation<startSyncMutation>(environment, {
    mutation: Start,
    variables: { input },
    onCompleted: ({ startInventorySync: { run, userErrors } }) => {
      tell(run?.url ?? userErrors.map(({ code, message }) => `${code}: ${message}`).join("\n"));
      // @ts-expect-error: a run that may be missing must be looked at first
      tell(run.url);
    },
  });
}
