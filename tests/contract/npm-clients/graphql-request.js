// Scenarios for clients with graphql-request, at the endpoint OPSRUN_URL.
import { GraphQLClient } from 'graphql-request';
import { authorization, main, url } from './scenario.js';

const client = new GraphQLClient(url, { headers: { authorization } });

await main({
  async asking(query) {
    try {
      return { data: await client.request(query), codes: [] };
    } catch ({ response: { errors } }) {
      return { codes: errors.map(({ extensions }) => extensions.code) };
    }
  },
});
