// Prints the results of graphql-http's audits of the server at OPSRUN_URL, as JSON.
import { auditServer } from 'graphql-http';

const { OPSRUN_URL: url, OPSRUN_TOKEN: token } = process.env;

const fetchFn = (address, init = {}) =>
  fetch(address, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });

const results = await auditServer({ url, fetchFn });
const report = results.map(({ id, name, status, reason }) => ({ id, name, status, reason }));
console.log(JSON.stringify(report));
