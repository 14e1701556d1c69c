// Composes Opsrun, at OPSRUN_URL, with a subgraph `billing`, and asks both through gateways.
import { readFileSync } from 'node:fs';
import { composeServices as composeWithApollo } from '@apollo/composition';
import { ApolloGateway, LocalGraphQLDataSource, RemoteGraphQLDataSource } from '@apollo/gateway';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { buildHTTPExecutor } from '@graphql-tools/executor-http';
import { getStitchedSchemaFromSupergraphSdl } from '@graphql-tools/federation';
import { composeServices as composeWithGuild } from '@theguild/federation-composition';
import { execute, graphql, parse, subscribe } from 'graphql';
import { authorization, main, report, url } from '../npm-clients/scenario.js';

const headers = { authorization };
const read = (name) => parse(readFileSync(`federation/${name}.graphql`, 'utf8'));
const quiet = { debug() {}, info() {}, warn: console.warn, error: console.error };

// An invoice has the id of its run, and a run costs as much as its id is long.
const billing = buildSubgraphSchema({
  typeDefs: read('billing'),
  resolvers: {
    Query: {
      invoices: (_, { ids }) => ({
        nodes: ids.map((id) => ({ id, due: '2026-01-31T12:00:00Z', details: { of: id } })),
        pageInfo: { hasNextPage: false, hasPreviousPage: false },
      }),
    },
    Invoice: { run: ({ id }) => ({ id }) },
    OperationRun: { cost: ({ id }) => id.length },
  },
});

async function sdl() {
  const execute = buildHTTPExecutor({ endpoint: url, headers });
  const { data } = await execute({ document: parse('{ _service { sdl } }') });
  return parse(data._service.sdl);
}

async function compose(composeServices, name) {
  const { errors, hints, supergraphSdl } = composeServices([
    { name: 'opsrun', url, typeDefs: await sdl() },
    { name: 'billing', url: 'http://billing.invalid', typeDefs: read(name) },
  ]);
  const messages = (all) => (all ?? []).map(({ message }) => message);
  return { errors: messages(errors), hints: messages(hints), supergraphSdl };
}

class Opsrun extends RemoteGraphQLDataSource {
  willSendRequest({ request }) {
    request.http.headers.set('authorization', authorization);
  }
}

async function stitched() {
  const { supergraphSdl } = await compose(composeWithGuild, 'billing');
  return getStitchedSchemaFromSupergraphSdl({
    supergraphSdl,
    batch: true,
    onSubschemaConfig(config) {
      config.executor =
        config.name.toLowerCase() === 'opsrun'
          ? buildHTTPExecutor({ endpoint: url, headers })
          : ({ document, variables }) =>
              execute({ schema: billing, document, variableValues: variables });
    },
  });
}

const gateways = {
  // Apollo's query planner and executor.
  async apollo(query, variables) {
    const { supergraphSdl } = await compose(composeWithApollo, 'billing');
    const gateway = new ApolloGateway({
      supergraphSdl,
      logger: quiet,
      buildService: ({ name }) =>
        name === 'opsrun' ? new Opsrun({ url }) : new LocalGraphQLDataSource(billing),
    });
    const { schema, executor } = await gateway.load();
    const request = { query, variables };
    return executor({
      schema,
      request,
      document: parse(query),
      queryHash: query,
      context: {},
      metrics: {},
      logger: quiet,
      overallCachePolicy: { restrict() {} },
    });
  },

  // The query planner and executor of Hive Gateway.
  async guild(query, variables) {
    return graphql({ schema: await stitched(), source: query, variableValues: variables });
  },
};

await main({
  async composing(tool, name) {
    const composeServices = { apollo: composeWithApollo, guild: composeWithGuild }[tool];
    const { errors, hints } = await compose(composeServices, name);
    return { errors, hints };
  },

  async asking(gateway, query, variables) {
    const { data, errors } = await gateways[gateway](query, JSON.parse(variables));
    const refusals = errors?.map(({ path, extensions }) => ({ path, code: extensions?.code ?? null }));
    return { data, errors: refusals ?? [] };
  },

  async watching(query, variables) {
    const document = parse(query);
    const variableValues = JSON.parse(variables);
    const schema = await stitched();
    for await (const { data, errors } of await subscribe({ schema, document, variableValues })) {
      report(errors ? { errors } : data.operationRuns);
    }
  },
});
