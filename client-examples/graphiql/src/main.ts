// GraphiQL, and above it a line that says who is signed in and takes another token.

import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import { createClient } from "graphql-ws";
import { createElement } from "react";
import { createRoot } from "react-dom/client";
// The parts of graphiql/style.css without the fonts that it embeds.
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import "./page.css";
import { describe, storedToken, storeToken, takeTokenFromUrl } from "./token";
import welcome from "./welcome.graphql?raw";

// The page is served beside the endpoint: /graphiql/ and /graphql.
const endpoint = new URL("../graphql", location.href);
const socketEndpoint = new URL(endpoint);
socketEndpoint.protocol = endpoint.protocol.replace("http", "ws");

const root = createRoot(document.getElementById("graphiql")!);
const who = document.getElementById("who")!;
const tokenBox = document.getElementById("token") as HTMLInputElement;
let sessions = 0;

window.MonacoEnvironment = {
  // A file, because the page's policy allows no worker from a blob. The name decides what it does.
  getWorker: (_, name) => new Worker("worker.js", { name, type: "module" }),
};

function start(): void {
  const token = storedToken();
  const [text, isWarning] = describe(token);
  who.textContent = text;
  who.classList.toggle("warning", isWarning);
  const credentials: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  const fetcher = createGraphiQLFetcher({
    url: endpoint.href,
    headers: credentials,
    wsClient: createClient({
      url: socketEndpoint.href,
      connectionParams: credentials,
      retryAttempts: 0, // a refused token is shown at once
    }),
  });
  // A new key starts GraphiQL afresh: another user may see another schema.
  const key = (sessions += 1);
  root.render(createElement(GraphiQL, { key, fetcher, defaultQuery: welcome }));
}

function signIn(token: string): void {
  tokenBox.value = "";
  storeToken(token);
  start();
}

document.getElementById("token-form")!.addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(tokenBox.value.trim().replace(/^Bearer\s+/i, ""));
});
document.getElementById("sign-out")!.addEventListener("click", () => signIn(""));
window.addEventListener("hashchange", async () => {
  if (await takeTokenFromUrl()) {
    start();
  }
});
await takeTokenFromUrl();
start();
