// Scenarios for clients with urql, at the endpoint OPSRUN_URL: its event stream and its persisted exchange.
import { Client, fetchExchange, gql } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { authorization, main, report, url } from './scenario.js';

const VIEWER = gql`query Viewer { viewer { name } }`;
const FEED = gql`subscription Feed($tenant: ID!) {
  operationRuns(tenantId: $tenant) { __typename ... on OperationRunChanged { run { id } } } }`;

// Records for each request whether it holds the document's text.
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
        report({ kind, run: run?.id, error: error?.message });
      });
    });
  },

  async persisted() {
    const { client, requests } = connect([persistedExchange({ preferGetForPersistedQueries: false })]);
    const { data, error } = await client.query(VIEWER, {}).toPromise();
    return { name: data?.viewer.name, codes: codes(error), requests };
  },
});
