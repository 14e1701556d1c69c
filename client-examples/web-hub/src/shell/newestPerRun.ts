/** One notification per run: its end replaces its start. */

interface RunNotification {
  readAt: string | null;
  run: { id: string };
}

/** Keep the first notification of each run; they come newest first. */
export function newestPerRun<T extends RunNotification>(notifications: readonly T[]): T[] {
  const seen = new Set<string>();
  return notifications.filter(({ run }) => !seen.has(run.id) && seen.add(run.id));
}

/** The number of runs with unread notifications, from the API's count over all pages. */
export function unreadRuns(total: number, loaded: readonly RunNotification[]): number {
  const unread = loaded.filter(({ readAt }) => readAt === null);
  return Math.max(total - unread.length, 0) + new Set(unread.map(({ run }) => run.id)).size;
}
