import { type Api, request } from "./api.js";
import { graphql } from "./gql/gql.js";
import { runEvents } from "./run-events.js";
import { runLine } from "./run-line.js";
import { readSettings } from "./settings.js";

const Memberships = graphql(`
  query Memberships {
    viewer { memberships { tenant { id slug } } }
  }
`);

const NewestRuns = graphql(`
  query NewestRuns($tenant: ID!) {
    tenant(id: $tenant) {
      name
      operationRuns(first: 5) {
        nodes { createdAt ...RunLine }
      }
    }
  }
`);

const StartSync = graphql(`
  mutation StartSync($input: StartInventorySyncInput!) {
    startInventorySync(input: $input) {
      run { id }
      outcome
      userErrors { message }
    }
  }
`);

const Failures = graphql(`
  query Failures($run: ID!) {
    node(id: $run) {
      ... on OperationRun {
        failureCount
        failures(first: 100) {
          nodes { itemKey reasonCode message }
        }
      }
    }
  }
`);

async function tenantId(api: Api, slug: string): Promise<string> {
  const { viewer } = await request(api, Memberships, {});
  const tenants = viewer.memberships.map(({ tenant }) => tenant);
  const tenant = tenants.find((tenant) => tenant.slug === slug);
  if (!tenant) {
    const slugs = tenants.map((tenant) => tenant.slug).join(", ");
    throw new Error(`You are not a member of ${slug}. Your tenants: ${slugs}`);
  }
  return tenant.id;
}

async function printNewestRuns(api: Api, tenant: string): Promise<void> {
  const { name, operationRuns } = (await request(api, NewestRuns, { tenant })).tenant;
  console.log(`The newest runs of ${name}:`);
  for (const run of operationRuns.nodes) {
    console.log(`  ${run.createdAt}  ${runLine(run)}`);
  }
}

async function startSync(api: Api, tenant: string, scopeKey: string): Promise<string> {
  const input = { tenantId: tenant, scopeKey };
  const { startInventorySync } = await request(api, StartSync, { input });
  const { run, outcome, userErrors } = startInventorySync;
  if (!run) {
    throw new Error(userErrors.map((error) => error.message).join("\n"));
  }
  console.log(`Syncing ${scopeKey} (${outcome}):`);
  return run.id;
}

/** Print every event; return whether the run succeeded. */
async function follow(api: Api, run: string): Promise<boolean> {
  let bucket: string | undefined;
  for await (const event of runEvents(api, run)) {
    console.log(`${event.occurredAt}  ${event.kind ?? "SNAPSHOT"}  ${runLine(event.run)}`);
    bucket = event.run.statusBucket;
  }
  return bucket === "SUCCEEDED";
}

async function printFailures(api: Api, run: string): Promise<void> {
  const { node } = await request(api, Failures, { run });
  if (!node || !("failures" in node)) {
    return;
  }
  for (const { itemKey, reasonCode, message } of node.failures.nodes) {
    console.log(`  ${itemKey ?? "(the run)"}  ${reasonCode}  ${message}`);
  }
  const more = node.failureCount - node.failures.nodes.length;
  if (more > 0) {
    console.log(`  … and ${more} more`);
  }
}

/** Return the exit code: 0 when the run succeeded, 1 when it ended otherwise. */
async function main(): Promise<number> {
  const { api, tenantSlug, scopeKey } = readSettings(process.env, process.argv.slice(2));
  const tenant = await tenantId(api, tenantSlug);
  await printNewestRuns(api, tenant);
  const run = await startSync(api, tenant, scopeKey);
  if (await follow(api, run)) {
    return 0;
  }
  await printFailures(api, run);
  return 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
