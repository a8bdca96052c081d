import { expect, test } from 'vitest';
import { restDocument } from '#kit/rest-document.ts';
import { compileApi } from './compile.ts';
import { documentLimits, parseDocument } from './document.ts';
import { readDocument } from './reader.ts';
import { openOpenApiReader } from './reader-threads.ts';

const small = JSON.stringify(restDocument('https://api.example.com'));

/** As large as a document may be, most of it in use. */
function largeDocument(): string {
  const property = { type: 'string', description: 'x'.repeat(80) };
  const names = Array.from({ length: 33 }, (_, i) => `property${i}`);
  const schema = { type: 'object', properties: Object.fromEntries(names.map((name) => [name, property])) };
  const operation = { requestBody: { content: { 'application/json': { schema } } }, responses: {} };
  const paths = Array.from({ length: 2000 }, (_, i) => [`/r${i}/{id}`, { post: operation }]);
  const text = JSON.stringify({ openapi: '3.0.0', info: {}, paths: Object.fromEntries(paths) });
  return text
    .slice(0, -1)
    .padEnd(documentLimits.bytes - 1, ' ')
    .concat('}');
}

test('a document of 10 MB is read beside the event loop, not on it [D16]', async () => {
  const text = largeDocument();
  const reader = openOpenApiReader({ timeoutMs: 60_000 });
  // The thread is up, and what it is made of is loaded.
  await reader.read(small, {});
  const before = performance.eventLoopUtilization();
  const startedAt = performance.now();
  const read = await reader.read(text, {});
  const tookMs = performance.now() - startedAt;
  expect(read.leftOut.length + read.tools.length).toBe(2000);
  expect(performance.eventLoopUtilization(before).active).toBeLessThan(tookMs / 2);
}, 90_000);

test('what a thread answers is what was read and compiled', async () => {
  const reader = openOpenApiReader();
  expect(await reader.read(small, { selection: { tags: ['issues'] } })).toEqual(
    readDocument(small, { selection: { tags: ['issues'] } }),
  );
  expect(await reader.compile(small)).toEqual(compileApi(parseDocument(small)));
  await expect(reader.read('{"openapi":"4.0"}', {})).rejects.toMatchObject({
    code: 'bad_request',
    message: expect.stringContaining('is of version 4.0'),
  });
});

test('a document that takes too much memory or time is refused, and the next one is read [D16]', async () => {
  const narrow = openOpenApiReader({ memoryMb: 24 });
  const [large, next] = await Promise.allSettled([narrow.read(largeDocument(), {}), narrow.read(small, {})]);
  expect(large).toMatchObject({
    reason: { code: 'bad_request', message: 'The OpenAPI document takes more than 24 MB of memory to be read' },
  });
  expect(next.status).toBe('fulfilled');
  const hasty = openOpenApiReader({ timeoutMs: 1 });
  await expect(hasty.compile(small)).rejects.toMatchObject({
    code: 'bad_request',
    message: 'The OpenAPI document takes longer than 1 ms to be read',
  });
}, 30_000);

test('more than may wait are refused at once', async () => {
  const reader = openOpenApiReader();
  const all = await Promise.allSettled(Array.from({ length: 80 }, () => reader.read('{}', {})));
  const busy = all.filter((one) => one.status === 'rejected' && String(one.reason).includes('Too many'));
  expect(busy).toHaveLength(15);
});
