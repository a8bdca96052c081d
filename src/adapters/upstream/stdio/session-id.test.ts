import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseLine } from '#adapters/upstream/message-stream/line.ts';
import { mintSessionId, openSessionId, readInitialize } from './session-id.ts';

const initialize = (params: string) =>
  readInitialize(parseLine(Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":${params}}`)));

const client = {
  protocolVersion: '2025-11-25',
  capabilities: {
    roots: { listChanged: true },
    sampling: { context: {}, tools: {} },
    elicitation: { form: {}, url: {} },
    tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
    extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] } },
  },
  clientInfo: {
    name: 'some-desktop-client',
    title: 'Some Desktop Client',
    version: '12.34.5',
    websiteUrl: 'https://x.y',
  },
};

test('a session id is short, printable, never the same twice, and carries the parameters digit for digit', () => {
  const odd =
    '{ "capabilities":{"x":9007199254740993}, "protocolVersion":"2025-06-18","clientInfo":{"name":"é"},"_meta":{"a":1}}';
  for (const params of [JSON.stringify(client), odd]) {
    const init = initialize(params);
    const ids = [mintSessionId(init), mintSessionId(init)];
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) {
      expect(id).toMatch(/^[\x21-\x7e]{24,600}$/);
      expect(openSessionId(id)).toEqual(init);
    }
  }
  expect(initialize(odd).bytes.toString()).toContain('9007199254740993');
});

test('clients share a child only with the same version and equal capabilities', () => {
  const print = (change: object) => initialize(JSON.stringify({ ...client, ...change })).fingerprint;
  const reordered = Object.fromEntries(Object.entries(client.capabilities).reverse());
  expect(print({ capabilities: reordered, clientInfo: { name: 'other', version: '0' } })).toBe(print({}));
  expect(print({ protocolVersion: '2025-06-18' })).not.toBe(print({}));
  expect(print({ capabilities: {} })).not.toBe(print({}));
});

test('parameters that do not fit are refused', () => {
  const noise = Array.from({ length: 4000 }, (_, i) => ((i * 2654435761) >>> 7).toString(36)).join('');
  expect(() => mintSessionId(initialize(JSON.stringify({ ...client, capabilities: { noise } })))).toThrow(/too large/);
  // Small when packed, but not when opened.
  const bomb = initialize(JSON.stringify({ ...client, capabilities: { pad: 'a'.repeat(100_000) } }));
  expect(() => mintSessionId(bomb)).toThrow(/too large/);
  const packed = deflateRawSync(bomb.bytes).toString('base64url');
  expect(packed.length).toBeLessThan(2000);
  expect(openSessionId(`${'A'.repeat(22)}.${packed}`)).toBeUndefined();
  const small = deflateRawSync(Buffer.from('{"protocolVersion":"v","capabilities":{}}')).toString('base64url');
  expect(openSessionId(`${'A'.repeat(22)}.${small}`)).toBeDefined();
  expect(() => initialize('{"capabilities":{}}')).toThrow(/protocolVersion/);
});

test('whatever is sent as a session id is read or rejected, never thrown over', () => {
  const genuine = mintSessionId(initialize(JSON.stringify(client)));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.nat(genuine.length - 1), fc.base64String()), (value) => {
      const id = typeof value === 'number' ? `${genuine.slice(0, value)}A${genuine.slice(value + 1)}` : value;
      const found = openSessionId(id);
      expect(found === undefined || Buffer.isBuffer(found.bytes)).toBe(true);
    }),
  );
});
