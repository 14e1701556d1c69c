import { Button, Center } from "@mantine/core";
import { type ReactNode, useState } from "react";

interface LoadMoreProps {
  hasMore: boolean;
  load: () => Promise<unknown>;
  label?: string;
}

/** The next page of a list, if there is one. */
export function LoadMore({ hasMore, load, label = "Show more" }: LoadMoreProps): ReactNode {
  const [loading, setLoading] = useState(false);
  if (!hasMore) {
    return null;
  }
  return (
    <Center mt="sm">
      <Button
        loading={loading}
        onClick={() => {
          setLoading(true);
          void load().finally(() => setLoading(false));
        }}
        variant="default"
      >
        {label}
      </Button>
    </Center>
  );
}
