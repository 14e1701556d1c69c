/** The signed-in user, and the other users whose tokens this browser holds. */

const TOKENS = "opsrun.tokens";
const CURRENT = "opsrun.current";

export interface User {
  token: string;
  subject: string;
  name: string;
}

/** Read a token's claims, to show them. The API checks the token. */
function userOf(token: string): User | undefined {
  try {
    const payload = token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") ?? "";
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    if (typeof claims["exp"] === "number" && claims["exp"] * 1000 < Date.now()) {
      return undefined;
    }
    const subject = String(claims["sub"]);
    return { token, subject, name: String(claims["name"] ?? subject) };
  } catch {
    return undefined;
  }
}

function keep(tokens: string[]): User[] {
  const users = new Map<string, User>();
  for (const user of tokens.map(userOf)) {
    if (user) {
      users.set(user.subject, user);
    }
  }
  localStorage.setItem(TOKENS, [...users.values()].map(({ token }) => token).join(" "));
  return [...users.values()];
}

/**
 * Take the tokens from the address and remove them from it: those of `#token=…&token=…`, or those that
 * `opsrun dev` returns for the code of `#demo=…`.
 */
async function tokensOfAddress(): Promise<string[]> {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const [tokens, code] = [fragment.getAll("token"), fragment.get("demo")];
  if (tokens.length > 0 || code !== null) {
    history.replaceState(history.state, "", location.pathname + location.search);
  }
  return code === null ? tokens : [...tokens, ...(await tokensOfDemo(code))];
}

/** Exchange the code for the demo users' tokens; return none if the server refuses it. */
async function tokensOfDemo(code: string): Promise<string[]> {
  try {
    const headers = { Authorization: `Demo ${code}` };
    const response = await fetch("/demo/sign-in", { method: "POST", headers });
    return response.ok ? ((await response.json()) as { tokens: string[] }).tokens : [];
  } catch {
    return [];
  }
}

// Opening an address in a tab with the hub changes only the fragment and does not load the page.
addEventListener("hashchange", () => {
  if (/^#(token|demo)=/.test(location.hash)) {
    location.reload();
  }
});

const kept = (localStorage.getItem(TOKENS) ?? "").split(" ");
const brought = await tokensOfAddress();

export const users: readonly User[] = keep([...kept, ...brought]);

const newest = brought.map(userOf).find((user) => user !== undefined);
if (newest) {
  localStorage.setItem(CURRENT, newest.subject);
}

export const currentUser: User | undefined =
  users.find(({ subject }) => subject === localStorage.getItem(CURRENT)) ?? users[0];

/** Switch to another user. The page reloads, so that no data of the first user remains. */
export function switchTo(user: User): void {
  localStorage.setItem(CURRENT, user.subject);
  location.assign("/");
}

/** Sign in with a token; return whether it looks valid and has not expired. */
export function signIn(token: string): boolean {
  const user = userOf(token.trim());
  if (user) {
    keep([...users.map(({ token: other }) => other), user.token]);
    switchTo(user);
  }
  return user !== undefined;
}

/** Remove all tokens, so that signing out does not switch to another user. */
export function signOut(): void {
  localStorage.removeItem(TOKENS);
  localStorage.removeItem(CURRENT);
  location.assign("/");
}
