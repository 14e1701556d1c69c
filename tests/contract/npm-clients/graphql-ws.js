// Scenarios for clients with the npm package graphql-ws, at the WebSocket endpoint OPSRUN_URL.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { authorization, follow, main, run, report, nextLine, url } from './scenario.js';

function connect(options = {}) {
  const seen = { opened: 0, closed: [] };
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 50)),
    ...options,
  });
  client.on('connected', () => (seen.opened += 1));
  client.on('closed', ({ code }) => seen.closed.push(code));
  return { client, seen };
}

const reached = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

// The first WebSocket does not answer pings.
let deaf = true;
class DeafAtFirst extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, { autoPong: !deaf });
    deaf = false;
  }
}

await main({
  async operations(...queries) {
    const { client, seen } = connect({ lazy: false });
    const ends = await Promise.all(queries.map((query) => run(client, query)));
    return { ends, ...seen };
  },

  async lazily() {
    const { client, seen } = connect();
    const before = seen.opened;
    await run(client, '{ hello }');
    await reached(() => seen.closed.length);
    await run(client, '{ hello }');
    await reached(() => seen.closed.length > 1);
    return { before, ...seen };
  },

  async pinging() {
    const { client, seen } = connect({ lazy: false, keepAlive: 10 });
    let pongs = 0;
    client.on('pong', (received) => (pongs += received));
    client.subscribe({ query: 'subscription { silence }' }, { next() {}, error() {}, complete() {} });
    await reached(() => pongs >= 5);
    const end = await run(client, '{ hello }');
    return { end, ...seen };
  },

  async completing() {
    const { client, seen } = connect({ lazy: false });
    let results = 0;
    const leave = client.subscribe(
      { query: 'subscription { silence }' },
      { next: () => (results += 1), error() {}, complete() {} },
    );
    await nextLine();
    leave();
    const end = await run(client, '{ hello }');
    report({ end, results, ...seen });
    await nextLine();
  },

  async refused() {
    const { client, seen } = connect();
    const { error } = await run(client, '{ __typename }');
    return { code: error.code, reason: error.reason, ...seen };
  },

  async refusedForGood() {
    const { client, seen } = connect({ shouldRetry: ({ code }) => code !== 4403 });
    const { error } = await run(client, '{ __typename }');
    return { code: error.code, ...seen };
  },

  async silent() {
    const { client, seen } = connect({ lazy: false, webSocketImpl: DeafAtFirst });
    await reached(() => seen.opened === 2);
    const end = await run(client, '{ hello }');
    return { end, ...seen };
  },

  async resuming(tenant) {
    // A handshake that fails throws an event without a code, which ends all retries unless `shouldRetry` allows it.
    const { client } = connect({ retryAttempts: Infinity, shouldRetry: () => true });
    client.on('closed', ({ code }) => report({ closed: code }));
    follow(client, { tenant });
    await nextLine();
  },

  raw: (protocol, ...messages) =>
    new Promise((resolve) => {
      const websocket = new WebSocket(url, protocol || []);
      websocket.on('open', () => messages.forEach((message) => websocket.send(message)));
      websocket.on('close', (code) => resolve({ code }));
      websocket.on('error', (error) => resolve({ error: error.message }));
    }),
});
