// Scenarios for clients with @graphql-tools/executor-http, at the endpoint OPSRUN_URL.
import { buildHTTPExecutor } from '@graphql-tools/executor-http';
import { parse } from 'graphql';
import { FEED, authorization, main, report, url } from './scenario.js';

const execute = buildHTTPExecutor({ endpoint: url, headers: { authorization } });

await main({
  async watching(tenant) {
    for await (const { data, errors } of await execute({ document: parse(FEED), variables: { tenant } })) {
      const { __typename: kind, run } = data?.operationRuns ?? {};
      report({ kind, run: run?.id, error: errors?.[0].message });
    }
  },

  async asking(query) {
    const { data, errors } = await execute({ document: parse(query) });
    return { data, codes: errors?.map(({ extensions }) => extensions.code) ?? [] };
  },
});
