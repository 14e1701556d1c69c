// Scenarios for clients with Apollo, at the endpoint OPSRUN_URL: persisted queries, and the normalized cache.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client/core';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { createHash } from 'node:crypto';
import { authorization, main, url } from './scenario.js';

const VIEWER = gql`query Viewer { viewer { name } }`;
const RUNS = gql`query Runs($ids: [ID!]!) {
  nodes(ids: $ids) { ... on OperationRun { id initiator { actorId name } } } }`;

function connect(...links) {
  const requests = [];
  const http = new HttpLink({
    uri: url,
    headers: { authorization },
    fetch: (target, init) => {
      requests.push(Boolean(JSON.parse(init.body).query));
      return fetch(target, init);
    },
  });
  const client = new ApolloClient({ link: ApolloLink.from([...links, http]), cache: new InMemoryCache() });
  return { client, requests };
}

await main({
  async persisted(algorithm = 'sha256') {
    const sha256 = (text) => createHash(algorithm).update(text).digest('hex');
    const { client, requests } = connect(new PersistedQueryLink({ sha256 }));
    const { data, error } = await client.query({ query: VIEWER, errorPolicy: 'all' });
    const errors = CombinedGraphQLErrors.is(error) ? error.errors : [];
    return { name: data?.viewer.name, codes: errors.map(({ extensions }) => extensions.code), requests };
  },

  // Reads the runs one after the other, then the first one from the cache.
  async initiators(...ids) {
    const { client } = connect();
    for (const id of ids) await client.query({ query: RUNS, variables: { ids: [id] } });
    const { data } = await client.query({ query: RUNS, variables: { ids: ids.slice(0, 1) }, fetchPolicy: 'cache-only' });
    return { name: data.nodes[0].initiator.name };
  },
});
