import { graphql } from "./gql/gql.js";
import type { RunLineFragment } from "./gql/graphql.js";

export const RunLine = graphql(`
  fragment RunLine on OperationRun {
    version
    runType
    statusBucket
    counts { total processed failed }
  }
`);

/** `#5  inventory.sync  RUNNING  20/37, 1 failed` */
export function runLine({ version, runType, statusBucket, counts }: RunLineFragment): string {
  const { processed, total, failed } = counts;
  const failures = failed > 0 ? `, ${failed} failed` : "";
  return `#${version}  ${runType}  ${statusBucket}  ${processed}/${total ?? "?"}${failures}`;
}
