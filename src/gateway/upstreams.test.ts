import { expect, test } from 'vitest';
import type { Upstream } from '#adapters/upstream/upstream.ts';
import { asOrgId } from '#core/ids.ts';
import { server } from '#kit/one-endpoint.ts';
import { openUpstreams } from './upstreams.ts';

const [acme, other] = [asOrgId('acme'), asOrgId('other')];

function open() {
  const opened: { readonly upstream: Upstream; isClosed: boolean; readonly closed: Promise<void> }[] = [];
  const upstreams = openUpstreams(
    () => {
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      const entry = {
        isClosed: false,
        closed,
        upstream: {
          start: () => ({ sent: false, resume: () => undefined, abort: () => undefined }),
          async close() {
            entry.isClosed = true;
            resolve();
          },
        },
      };
      opened.push(entry);
      return entry.upstream;
    },
    { retireMs: 20, drainMs: 10 },
  );
  return { upstreams, opened };
}

test('a server that is switched off is closed when its last organization is through with it', async () => {
  const { upstreams, opened } = open();
  const first = upstreams.get(server, acme);
  expect(upstreams.get(server, other)).toBe(first);
  upstreams.renewed(acme, () => false);
  expect(upstreams.get(server, other)).toBe(first);
  upstreams.renewed(other, () => true);
  expect(opened[0]?.isClosed).toBe(false);
  upstreams.renewed(other, () => false);
  await opened[0]?.closed;
  // Switched on again it is opened anew.
  expect(upstreams.get(server, acme)).not.toBe(first);
  await upstreams.close();
});

test('a changed definition has a new upstream, and the old one goes on until it retires', async () => {
  const { upstreams, opened } = open();
  const first = upstreams.get(server, acme);
  const changed = { ...server, transport: { kind: 'http', url: 'http://127.0.0.1:9/other' } as const };
  expect(upstreams.get(changed, acme)).not.toBe(first);
  expect(opened[0]?.isClosed).toBe(false);
  await opened[0]?.closed;
  expect(upstreams.find(changed)).toBe(opened[1]?.upstream);
  // Who used it before still does.
  upstreams.renewed(acme, () => false);
  await opened[1]?.closed;
  await upstreams.close();
});
