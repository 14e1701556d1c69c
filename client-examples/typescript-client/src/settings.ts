import type { Api } from "./api.js";

export interface Settings {
  api: Api;
  tenantSlug: string;
  scopeKey: string;
}

/** Read the environment and the command line; throw an Error that explains what to fix. */
export function readSettings(
  environment: NodeJS.ProcessEnv,
  [scopeKey, ...more]: readonly string[],
): Settings {
  const { OPSRUN_URL: url, OPSRUN_TOKEN: token, OPSRUN_TENANT: tenantSlug } = environment;
  if (!url || !token || !tenantSlug) {
    throw new Error("Set OPSRUN_URL, OPSRUN_TOKEN and OPSRUN_TENANT.");
  }
  if (!/^https?:\/\//.test(url)) {
    throw new Error(`OPSRUN_URL must be like http://127.0.0.1:8000/graphql, not ${url}.`);
  }
  if (!scopeKey || more.length > 0) {
    throw new Error("Name one scope to sync, for example: npm start workstations");
  }
  const byHash = environment["OPSRUN_BY_HASH"] === "1";
  return { api: { url, authorization: `Bearer ${token}`, byHash }, tenantSlug, scopeKey };
}
