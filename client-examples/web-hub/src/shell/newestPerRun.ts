/** One notification per run: that it ended takes the place of that it was queued. */

interface Told {
  readAt: string | null;
  run: { id: string };
}

/** Keep the first notification of each run; they come newest first. */
export function newestPerRun<T extends Told>(notifications: readonly T[]): T[] {
  const seen = new Set<string>();
  return notifications.filter(({ run }) => !seen.has(run.id) && seen.add(run.id));
}

/** How many runs have news, given the API's number of unread notifications of all pages. */
export function unreadRuns(total: number, loaded: readonly Told[]): number {
  const unread = loaded.filter(({ readAt }) => readAt === null);
  return Math.max(total - unread.length, 0) + new Set(unread.map(({ run }) => run.id)).size;
}
