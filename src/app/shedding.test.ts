import { expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { openListener } from '#http/server.ts';
import { send } from '#kit/http-client.ts';
import { openShedding } from './shedding.ts';

test('a replica whose memory is nearly full refuses new requests quickly, and says how it is [X2.5] [R30]', async () => {
  let used = 0.5;
  const shedding = openShedding({ percent: 80, log: silentLog, used: () => used });
  const options = { host: '127.0.0.1', port: 0, headersTimeoutMs: 1e4, requestTimeoutMs: 1e4, keepAliveTimeoutMs: 1e4 };
  const listener = await openListener(
    { ...options, maxHeaderBytes: 16_384, maxConnections: 10 },
    shedding.wrap((_req, res) => void res.end('served')),
  );
  const ask = (path: string) => send(`http://127.0.0.1:${listener.port}${path}`, { method: 'GET' });
  expect((await ask('/mcp')).status).toBe(200);
  used = 0.81;
  shedding.look();
  const refused = await ask('/mcp');
  expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
  expect((await ask('/health')).status).toBe(200);
  expect(shedding.full).toBe(true);
  used = 0.5;
  shedding.look();
  expect((await ask('/mcp')).status).toBe(200);
  shedding.close();
  await listener.close(0);
});
