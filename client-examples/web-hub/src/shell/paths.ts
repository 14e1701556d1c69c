/** The addresses of the pages. The API uses the same ones in `OperationRun.url`. */

export function operationsPath(slug: string): string {
  return `/t/${slug}/operations`;
}

export function runPath(slug: string, runId: string): string {
  return `${operationsPath(slug)}/${encodeURIComponent(runId)}`;
}

export function inventoryPath(slug: string, scopeKey: string): string {
  return `/t/${slug}/inventory?${new URLSearchParams({ scope: scopeKey })}`;
}

export function groupsPath(slug: string): string {
  return `/t/${slug}/groups`;
}

export function groupPath(slug: string, groupId: string): string {
  return `${groupsPath(slug)}/${encodeURIComponent(groupId)}`;
}

/** All run types, or one of them. */
export function startPath(slug: string, runType?: string): string {
  return [`/t/${slug}/start`, ...(runType ? [encodeURIComponent(runType)] : [])].join("/");
}

export function backupSetPath(slug: string, setId: string): string {
  return `/t/${slug}/backup-sets/${encodeURIComponent(setId)}`;
}
