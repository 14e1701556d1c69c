// A token comes with the URL's fragment, which never reaches a server, or from the box; it lives
// in this tab's session storage only. `opsrun dev` prints a code instead, as `#demo=…`, for which
// its server gives tokens.

const STORAGE_KEY = "opsrun-token";

export function storedToken(): string | null {
  return sessionStorage.getItem(STORAGE_KEY);
}

/** Store a token; an empty one signs out. */
export function storeToken(token: string): void {
  if (token) {
    sessionStorage.setItem(STORAGE_KEY, token);
  } else {
    sessionStorage.removeItem(STORAGE_KEY);
  }
}

/** Store the URL's token and remove it from the address; return whether there was one. */
export async function takeTokenFromUrl(): Promise<boolean> {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const code = fragment.get("demo");
  const token = code === null ? fragment.get("token") : await demoToken(code);
  if (code !== null || token !== null) {
    history.replaceState(null, "", location.pathname + location.search);
  }
  if (token !== null) {
    storeToken(token);
  }
  return token !== null;
}

async function demoToken(code: string): Promise<string | null> {
  const headers = { Authorization: `Demo ${code}` };
  const response = await fetch("../demo/sign-in", { method: "POST", headers });
  return response.ok ? (await response.json()).tokens[0] : null;
}

/** Return whose token it is and how long it is valid, and whether that is a warning. */
export function describe(token: string | null): [text: string, isWarning: boolean] {
  if (!token) {
    return ["Not signed in: paste a token.", true];
  }
  const { name, sub, exp } = claimsOf(token);
  const ends = exp ? new Date(exp * 1000) : null;
  const expired = ends !== null && ends < new Date();
  const until = ends ? `, token ${expired ? "expired" : "valid until"} ${ends.toLocaleString()}` : "";
  return [`Signed in as ${name ?? sub ?? "unknown"}${until}`, expired];
}

function claimsOf(token: string): { name?: string; sub?: string; exp?: number } {
  try {
    const payload = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}
