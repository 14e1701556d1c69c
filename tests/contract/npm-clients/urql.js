// What clients with urql do at the endpoint OPSRUN_URL: its own event stream, and its persisted exchange.
import { Client, fetchExchange, gql } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { authorization, main, tell, url } from './telling.js';

const VIEWER = gql`query Viewer { viewer { name } }`;
const FEED = gql`subscription Feed($tenant: ID!) {
  operationRuns(tenantId: $tenant) { __typename ... on OperationRunChanged { run { id } } } }`;

// Counts the requests, and how many of them bring the document's text.
function connect(exchanges = [], more = {}) {
  const requests = [];
  const client = new Client({
    url,
    exchanges: [...exchanges, fetchExchange],
    requestPolicy: 'network-only',
    preferGetMethod: false,
    fetchOptions: { headers: { authorization } },
    fetch: (target, init) => {
      requests.push(Boolean(init?.body && JSON.parse(init.body).query));
      return fetch(target, init);
    },
    ...more,
  });
  return { client, requests };
}

const codes = (error) => error?.graphQLErrors.map(({ extensions }) => extensions.code) ?? [];

await main({
  async watching(tenant) {
    const { client } = connect([], { fetchSubscriptions: true });
    return new Promise(() => {
      client.subscription(FEED, { tenant }).subscribe(({ data, error }) => {
        const { __typename: kind, run } = data?.operationRuns ?? {};
        tell({ kind, run: run?.id, error: error?.message });
      });
    });
  },

  async persisted() {
    const { client, requests } = connect([persistedExchange({ preferGetForPersistedQueries: false })]);
    const { data, error } = await client.query(VIEWER, {}).toPromise();
    return { name: data?.viewer.name, codes: codes(error), requests };
  },
});
