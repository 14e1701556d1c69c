/** Texts of the hub: times, durations, and names for codes of the API. */

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const ABSOLUTE = new Intl.DateTimeFormat("en", {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "numeric",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
});
const NUMBER = new Intl.NumberFormat("en");
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;

export function count(value: number): string {
  return NUMBER.format(value);
}

/** `1 policy`, `2 policies` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `Nov 28, 2026, 2:13:23 AM UTC`, in the zone of the browser. */
export function moment(iso: string): string {
  return ABSOLUTE.format(new Date(iso));
}

/** The name of the browser's current time zone, such as `UTC` or `GMT+1`. */
export function zone(): string {
  const parts = ABSOLUTE.formatToParts(new Date());
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
}

/** `5 minutes ago`, for a time in milliseconds. */
export function ago(iso: string, now: number): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  for (const [unit, size] of UNITS) {
    if (seconds >= size) {
      return RELATIVE.format(-Math.floor(seconds / size), unit);
    }
  }
  return seconds < 10 ? "just now" : `${Math.floor(seconds)} seconds ago`;
}

/** `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min` */
export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  if (seconds < 10) {
    return `${Math.max(seconds, 0).toFixed(1)} s`;
  }
  if (whole < 60) {
    return `${whole} s`;
  }
  if (whole < 3_600) {
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}

/** `POLICY_NOT_FOUND` and `add_policies` in words. */
export function words(name: string): string {
  const text = name.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `backup_set.add_policies` as `Backup set: add policies`. */
export function runTypeName(runType: string): string {
  const [resource = "", action = ""] = runType.split(".");
  return `${words(resource)}: ${words(action).toLowerCase()}`;
}

/** `Olivia Owner`, or `Nightly sync (service)`, so that a program does not pass for a person. */
export function initiatorName({ kind, name }: { kind: string; name: string }): string {
  return kind === "SERVICE" ? `${name} (service)` : name;
}

/** `Sync an inventory (servers)` */
export function runTitle(
  { runType, subject }: { runType: string; subject: string },
  titleOf: (runType: string) => string,
): string {
  return `${titleOf(runType)} (${subject})`;
}
