/** Behind a corporate proxy: names that nobody here can look up, reached by CONNECT alone. */
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { openRealNames, type RealNames } from '#kit/identity/real-names.ts';
import { type Listening, listenOnLoopback } from '#kit/listen.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';

let upstream: RecordingUpstream;
let names: RealNames;
let gateway: RunningGateway;
let collector: Listening;
let auth: { readonly authorization: string };
const collected: string[] = [];

beforeAll(async () => {
  upstream = await startRecordingUpstream();
  collector = await listenOnLoopback(
    createServer((req, res) => {
      collected.push(`${req.method} ${req.url}`);
      req.resume();
      res.end('{}');
    }),
  );
  const there = `http://127.0.0.1:${collector.port}`;
  names = await openRealNames({
    'mcp.vendor.example': upstream.url,
    'api.vendor.example': there,
    'pages.vendor.example': there,
    'collector.vendor.example': there,
  });
  const document = {
    openapi: '3.1.0',
    info: { title: 'Vendor', version: '1' },
    paths: { '/items': { get: { operationId: 'list-items', responses: { 200: { description: 'Items' } } } } },
  };
  gateway = await startGateway({
    env: { ...names.env, OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.vendor.example' },
    configYaml: `
organizations:
  - { slug: acme, name: Acme }
servers:
  - { key: vendor, transport: { kind: http, url: 'https://mcp.vendor.example/mcp' } }
  - { key: pages, transport: { kind: builtin, name: fetch } }
  - key: rest
    openapi: { document: '${JSON.stringify(document)}', url: 'https://api.vendor.example' }
enablements:
  - { organization: acme, server: vendor, allMembers: true }
  - { organization: acme, server: pages, allMembers: true }
  - { organization: acme, server: rest, allMembers: true }
audit:
  export: [{ kind: otlp, url: 'https://collector.vendor.example/v1/logs' }]
telemetry: { sampling: 1 }
`,
  });
  auth = bearer(await createKey(gateway, 'acme', '--roles', 'admin:servers'));
}, 60_000);
afterAll(async () => {
  await gateway?.stop();
  await Promise.all([names, collector, upstream].map((one) => one?.close()));
});

const ask = (server: string, name: string, args: object) =>
  send(`${gateway.url}/acme/mcp/${server}`, { headers: auth, body: call(name, args) });

describe('what goes out goes through HTTPS_PROXY', () => {
  test('calls to servers of the platform [S2.29] [S2.40]', async () => {
    const answer = await ask('vendor', 'echo', { a: 1 });
    expect(answer.json).toMatchObject({ result: { content: [{ text: '{"a":1}' }] } });
    expect(names.asked).toContain('CONNECT mcp.vendor.example:443');
  });

  test('APIs that are servers by their document, and pages that are fetched [S2.29] [S2.40]', async () => {
    expect((await ask('rest', 'list-items', {})).status).toBe(200);
    await ask('pages', 'fetch', { url: 'https://pages.vendor.example/' });
    expect(names.asked).toEqual(
      expect.arrayContaining(['CONNECT api.vendor.example:443', 'CONNECT pages.vendor.example:443']),
    );
    expect(collected).toContain('GET /items');
  });

  test('spans and the trail on their way to a collector [S2.40]', async () => {
    await until(() => collected.includes('POST /v1/traces') && collected.includes('POST /v1/logs'));
    expect(names.asked).toContain('CONNECT collector.vendor.example:443');
  }, 30_000);
});

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 250; tries++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(collected).toBe('complete');
}
