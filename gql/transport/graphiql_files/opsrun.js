// Signs GraphiQL in: a token comes with the URL's fragment, which never reaches a
// server, or from the box; it lives in this tab's session storage only. `opsrun dev`
// prints a code instead, as `#demo=…`, for which its server gives tokens.

const STORAGE_KEY = "opsrun-token";
// The page is served beside the endpoint: /graphiql/ and /graphql.
const endpoint = new URL("../graphql", location.href);
const socketEndpoint = new URL(endpoint);
socketEndpoint.protocol = endpoint.protocol.replace("http", "ws");

const root = ReactDOM.createRoot(document.getElementById("graphiql"));
const who = document.getElementById("who");
const tokenBox = document.getElementById("token");
const welcome = await (await fetch("welcome.graphql")).text();
let sessions = 0;

async function takeTokenFromUrl() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const code = fragment.get("demo");
  const token = code === null ? fragment.get("token") : await demoToken(code);
  if (code !== null || token !== null) {
    history.replaceState(null, "", location.pathname + location.search);
  }
  if (token !== null) {
    sessionStorage.setItem(STORAGE_KEY, token);
  }
  return token !== null;
}

async function demoToken(code) {
  const headers = { Authorization: `Demo ${code}` };
  const response = await fetch("../demo/sign-in", { method: "POST", headers });
  return response.ok ? (await response.json()).tokens[0] : null;
}

function claimsOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}

function describe(token) {
  if (!token) {
    return ["Not signed in: paste a token.", true];
  }
  const { name, sub, exp } = claimsOf(token);
  const ends = exp ? new Date(exp * 1000) : null;
  const expired = ends !== null && ends < new Date();
  const until = ends ? `, token ${expired ? "expired" : "valid until"} ${ends.toLocaleString()}` : "";
  return [`Signed in as ${name ?? sub ?? "unknown"}${until}`, expired];
}

function start() {
  const token = sessionStorage.getItem(STORAGE_KEY);
  const [text, warning] = describe(token);
  who.textContent = text;
  who.classList.toggle("warning", warning);
  const credentials = token ? { authorization: `Bearer ${token}` } : {};
  const fetcher = GraphiQL.createFetcher({
    url: endpoint.href,
    headers: credentials,
    wsClient: graphqlWs.createClient({
      url: socketEndpoint.href,
      connectionParams: credentials,
      retryAttempts: 0, // a refused token is shown at once
    }),
  });
  // A new key starts GraphiQL afresh: another user may see another schema.
  const key = (sessions += 1);
  root.render(React.createElement(GraphiQL, { key, fetcher, defaultQuery: welcome }));
}

function signIn(token) {
  tokenBox.value = "";
  if (token) {
    sessionStorage.setItem(STORAGE_KEY, token);
  } else {
    sessionStorage.removeItem(STORAGE_KEY);
  }
  start();
}

document.getElementById("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(tokenBox.value.trim().replace(/^Bearer\s+/i, ""));
});
document.getElementById("sign-out").addEventListener("click", () => signIn(""));
window.addEventListener("hashchange", async () => {
  if (await takeTokenFromUrl()) {
    start();
  }
});
await takeTokenFromUrl();
start();
