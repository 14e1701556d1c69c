import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { type DocumentNode, type GraphQLFormattedError, print } from "graphql";

const TIMEOUT_MS = 30_000;

export interface Api {
  url: string;
  /** The whole Authorization header; sockets send it as a connection parameter. */
  authorization: string;
  /** Name documents instead of sending them; the build's must be registered. */
  byHash: boolean;
}

/** What a request says about its document, over HTTP as on a socket. */
export interface Asked {
  [part: string]: unknown;
  query: string;
  extensions?: { persistedQuery: { version: 1; sha256Hash: string } };
}

export function asked({ byHash }: Api, document: DocumentNode): Asked {
  // Where the client preset leaves the hash of the document's normalized text.
  const { __meta__: meta } = document as { __meta__?: { hash?: string } };
  return byHash && meta?.hash
    ? { query: "", extensions: { persistedQuery: { version: 1, sha256Hash: meta.hash } } }
    : { query: print(document) };
}

/** The message of an error, and the hint of one whose message is for programs. */
function textOf({ message, extensions }: GraphQLFormattedError): string {
  const hint = extensions?.["hint"];
  return typeof hint === "string" ? `${message}: ${hint}` : message;
}

/** What the API says in `errors`, with the first one's stable code. */
export class ApiError extends Error {
  readonly code: unknown;

  constructor(errors: readonly GraphQLFormattedError[]) {
    super(errors.map(textOf).join("\n"));
    this.code = errors[0]?.extensions?.["code"];
  }
}

export interface Answer<Data> {
  data?: Data | null | undefined;
  errors?: readonly GraphQLFormattedError[] | undefined;
}

export function dataOf<Data>({ data, errors }: Answer<Data>): Data {
  if (errors || !data) {
    throw new ApiError(errors ?? []);
  }
  return data;
}

/** Run a query or mutation. */
export async function request<Data, Variables>(
  api: Api,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const { url, authorization } = api;
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({ ...asked(api, document), variables }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw new Error(`${url} does not answer.`, { cause });
  });
  if (!response.headers.get("content-type")?.includes("json")) {
    throw new Error(`${url} answers ${response.status}, and not in JSON: is it the API's address?`);
  }
  // The server checks the document against the schema that `Data` was generated from.
  return dataOf((await response.json()) as Answer<Data>);
}
