import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { type DocumentNode, type GraphQLFormattedError, print } from "graphql";

const TIMEOUT_MS = 30_000;

export interface Api {
  url: string;
  /** The complete Authorization header; WebSockets send it as a connection parameter. */
  authorization: string;
  /** Send hashes instead of documents; the documents of the build must be registered. */
  byHash: boolean;
}

/** The part of a request that holds its document, over HTTP and WebSocket. */
export interface DocumentPart {
  [part: string]: unknown;
  query: string;
  extensions?: { persistedQuery: { version: 1; sha256Hash: string } };
}

export function documentPart({ byHash }: Api, document: DocumentNode): DocumentPart {
  // The client preset stores the hash of the document's normalized text here.
  const { __meta__: meta } = document as { __meta__?: { hash?: string } };
  return byHash && meta?.hash
    ? { query: "", extensions: { persistedQuery: { version: 1, sha256Hash: meta.hash } } }
    : { query: print(document) };
}

/** The message of an error, with its hint if the message is meant for programs. */
function textOf({ message, extensions }: GraphQLFormattedError): string {
  const hint = extensions?.["hint"];
  return typeof hint === "string" ? `${message}: ${hint}` : message;
}

/** The `errors` of an answer, with the stable code of the first one. */
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
    body: JSON.stringify({ ...documentPart(api, document), variables }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw new Error(`${url} does not answer.`, { cause });
  });
  if (!response.headers.get("content-type")?.includes("json")) {
    throw new Error(`${url} answers ${response.status}, and not in JSON. Is this the address of the API?`);
  }
  // The server checks the document against the schema that `Data` was generated from.
  return dataOf((await response.json()) as Answer<Data>);
}
