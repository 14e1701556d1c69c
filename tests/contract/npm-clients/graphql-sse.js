// What clients with the npm package graphql-sse do at the endpoint OPSRUN_URL, scenario by scenario.
import { createClient } from 'graphql-sse';
import { authorization, follow, main, run, tell, told, url } from './telling.js';

const connect = (options = {}) =>
  createClient({
    url,
    headers: { authorization },
    retry: () => new Promise((resolve) => setTimeout(resolve, 50)),
    retryAttempts: Infinity,
    ...options,
  });

await main({
  async operations(...queries) {
    const client = connect();
    return { ends: await Promise.all(queries.map((query) => run(client, query))) };
  },

  async leaving() {
    const client = connect();
    const seen = [];
    const leave = client.subscribe(
      { query: 'subscription { silence }' },
      { next: () => seen.push('next'), error: () => seen.push('error'), complete: () => seen.push('complete') },
    );
    await told();
    leave();
    tell({ seen });
    await told();
  },

  // Counts the comments that the client is to overlook.
  async commented() {
    let comments = 0;
    const count = new TransformStream({
      transform(chunk, controller) {
        if (Buffer.from(chunk).toString().startsWith(':') && ++comments === 3) tell({ comments });
        controller.enqueue(chunk);
      },
    });
    const fetchFn = async (...request) => {
      const response = await fetch(...request);
      return new Response(response.body.pipeThrough(count), response);
    };
    return run(connect({ fetchFn }), 'subscription { announced }');
  },

  async refused(query) {
    const { results, error } = await run(connect({ retryAttempts: 2 }), query);
    const { status } = error.response;
    return { results, status, body: await error.response.json() };
  },

  async resumingByVariable(tenant) {
    follow(connect(), { tenant });
    await told();
  },

  async resumingByHeader(tenant) {
    const last = {};
    const headers = () =>
      last.after ? { authorization, 'last-event-id': last.after } : { authorization };
    const variables = { tenant, set after(cursor) { last.after = cursor; } };
    follow(connect({ headers }), variables);
    await told();
  },
});
