/* Start an export and watch it until it ends. */

interface Tenant {
  id: string;
  slug: string;
}

interface Run {
  statusBucket: string;
  counts: { total: number | null; processed: number };
  finishedAt: string | null;
}

interface Result {
  failures: { nodes: { itemKey: string | null; message: string; reason: { code: string; action: string } }[] };
  skippedItems: { nodes: { itemKey: string; reason: string | null }[] };
  related: { title?: string; url?: string }[];
}

interface Started {
  run: { id: string } | null;
  userErrors: { message: string; field: string[] }[];
}

const MEMBERSHIPS = "{ viewer { memberships { tenant { id slug } } } }";
const START = `
  mutation Start($input: StartOperationInput!) {
    startOperation(input: $input) {
      run { id }
      userErrors { message field }
    }
  }
`;
const WATCH = `
  subscription Watch($run: ID!) {
    operationRun(id: $run) {
      run { statusBucket counts { total processed failed } finishedAt }
    }
  }
`;
const RESULT = `
  query Result($run: ID!) {
    node(id: $run) {
      ... on OperationRun {
        failures { nodes { itemKey message reason { code action } } }
        skippedItems { nodes { itemKey reason } }
        related { ... on RelatedLink { title url } }
      }
    }
  }
`;

function setting(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`Set ${name}.`);
  }
  return value;
}

function dataOf<Data>(result: { data?: Data; errors?: { message: string }[] }): Data {
  if (result.errors || !result.data) {
    throw new Error(result.errors?.map((error) => error.message).join("\n"));
  }
  return result.data;
}

/** Return the token of a person; a service gets one from its issuer (RFC 6749, 4.4). */
async function token(): Promise<string> {
  const issuer = process.env["OPSRUN_TOKEN_URL"];
  if (!issuer) {
    return setting("OPSRUN_TOKEN");
  }
  const form = new URLSearchParams({ grant_type: "client_credentials" });
  for (const name of ["audience", "scope"]) {
    const value = process.env[`OPSRUN_${name.toUpperCase()}`];
    if (value) {
      form.set(name, value); // some issuers need one of them
    }
  }
  const client = Buffer.from(`${setting("OPSRUN_CLIENT_ID")}:${setting("OPSRUN_CLIENT_SECRET")}`);
  const authorization = `Basic ${client.toString("base64")}`;
  const response = await fetch(issuer, { method: "POST", headers: { authorization }, body: form });
  if (!response.ok) {
    throw new Error(`${issuer} gives no token: ${await response.text()}`);
  }
  return ((await response.json()) as { access_token: string }).access_token;
}

let authorization: string | undefined;

async function send(query: string, variables: object, accept: string): Promise<Response> {
  authorization ??= `Bearer ${await token()}`;
  return fetch(setting("OPSRUN_URL"), {
    method: "POST",
    headers: { accept, authorization, "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
}

/** Run a query or mutation. */
async function ask<Data>(query: string, variables: object = {}): Promise<Data> {
  const response = await send(query, variables, "application/graphql-response+json");
  return dataOf<Data>((await response.json()) as { data?: Data });
}

/** Run a subscription over server-sent events. */
async function* events<Data>(query: string, variables: object): AsyncGenerator<Data, void> {
  const response = await send(query, variables, "text/event-stream");
  if (!response.body || !response.headers.get("content-type")?.includes("text/event-stream")) {
    dataOf((await response.json()) as object);
    return;
  }
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter((line) => line.startsWith("data: {"))) {
      yield dataOf<Data>(JSON.parse(line.slice("data: ".length)) as { data?: Data });
    }
  }
}

async function start(month: string | undefined, departments: string[]): Promise<string> {
  const { viewer } = await ask<{ viewer: { memberships: { tenant: Tenant }[] } }>(MEMBERSHIPS);
  const slug = setting("OPSRUN_TENANT");
  const tenantId = viewer.memberships.find(({ tenant }) => tenant.slug === slug)?.tenant.id;
  const input = { tenantId, runType: "report.export", context: { month, departments } };
  const { startOperation } = await ask<{ startOperation: Started }>(START, { input });
  const { run, userErrors } = startOperation;
  if (!run) {
    throw new Error(userErrors.map(({ field, message }) => `${field.join(".")}: ${message}`).join("\n"));
  }
  return run.id;
}

/** Return 0 if all reports were written, and 1 if some were not. */
async function main(month?: string, ...departments: string[]): Promise<number> {
  const id = await start(month, departments);
  let run: Run | undefined;
  for await (const event of events<{ operationRun: { run: Run } }>(WATCH, { run: id })) {
    run = event.operationRun.run;
    console.log(run.statusBucket, `${run.counts.processed}/${run.counts.total ?? "?"}`);
  }
  if (!run?.finishedAt) {
    throw new Error("The connection was cut; client-examples/typescript-client shows how to go on.");
  }
  const { node } = await ask<{ node: Result }>(RESULT, { run: id });
  for (const { itemKey, message, reason } of node.failures.nodes) {
    console.log(`${itemKey ?? "The export"}: ${message} ${reason.action} (${reason.code})`);
  }
  for (const { itemKey, reason } of node.skippedItems.nodes) {
    console.log(`${itemKey}: ${reason}`);
  }
  for (const { title, url } of node.related) {
    console.log(`${title}: ${url}`);
  }
  return run.statusBucket === "SUCCEEDED" ? 0 : 1;
}

try {
  process.exitCode = await main(...process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
