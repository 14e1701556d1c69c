// Scenarios for clients with the npm package graphql-sse, at the endpoint OPSRUN_URL.
import { createClient } from 'graphql-sse';
import { authorization, follow, main, run, report, nextLine, url } from './scenario.js';

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
    await nextLine();
    leave();
    report({ seen });
    await nextLine();
  },

  // Counts the comments, which the client must ignore.
  async commented() {
    let comments = 0;
    const count = new TransformStream({
      transform(chunk, controller) {
        if (Buffer.from(chunk).toString().startsWith(':') && ++comments === 3) report({ comments });
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
    await nextLine();
  },

  async resumingByHeader(tenant) {
    const last = {};
    const headers = () =>
      last.after ? { authorization, 'last-event-id': last.after } : { authorization };
    const variables = { tenant, set after(cursor) { last.after = cursor; } };
    follow(connect({ headers }), variables);
    await nextLine();
  },
});
