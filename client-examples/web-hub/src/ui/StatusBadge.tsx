import { Badge } from "@mantine/core";
import {
  IconCircleCheck,
  IconCircleX,
  IconClock,
  IconExclamationCircle,
  IconPlayerPlay,
} from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { StatusBucket } from "../gql/graphql";

/** The look of every bucket, in the order of a run's life. */
export const BUCKETS = {
  QUEUED: { label: "Queued", color: "gray", Icon: IconClock },
  RUNNING: { label: "Running", color: "blue", Icon: IconPlayerPlay },
  SUCCEEDED: { label: "Succeeded", color: "green", Icon: IconCircleCheck },
  PARTIALLY_SUCCEEDED: { label: "Partially succeeded", color: "orange", Icon: IconExclamationCircle },
  FAILED: { label: "Failed", color: "red", Icon: IconCircleX },
} as const satisfies Record<StatusBucket, object>;

export const BUCKET_NAMES = Object.keys(BUCKETS) as StatusBucket[];

/** Color, icon and word, so that the meaning does not depend on one of them. */
export function StatusBadge({ bucket }: { bucket: StatusBucket }): ReactNode {
  const { label, color, Icon } = BUCKETS[bucket];
  return (
    <Badge
      className="status"
      color={color}
      data-bucket={bucket}
      leftSection={<Icon aria-hidden size={14} />}
      variant="light"
    >
      {label}
    </Badge>
  );
}
