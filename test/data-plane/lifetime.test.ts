import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { createKey, startGateway } from '#kit/gateway.ts';
import { bearer, call, initialize, send } from '#kit/http-client.ts';
import { commandLine, descendants, isAlive } from '#kit/process.ts';
import { answerMcp } from '#kit/recording-upstream.ts';
import { startWorld } from '#kit/world.ts';
import { startLoad } from './load.ts';

const generous =
  'limits: { principal: { requestsPerMinute: 1000000, concurrentCalls: 1000 }, organization: { requestsPerMinute: 1000000 } }\n';

describe('the end of a gateway process', () => {
  test('SIGTERM lets calls in flight finish, takes no new ones and exits 0 [S0.22] [X0.4]', async () => {
    const world = await startWorld();
    let release: () => void = () => {};
    world.upstream.script((request, res) => {
      if (!request.body.includes('"last":true')) return answerMcp(request, res);
      release = () => void answerMcp(request, res);
    });
    const inFlight = send(world.url('open'), { headers: world.auth, body: call('echo', { last: true }) });
    await world.upstream.waitFor(({ rpc }) => rpc.method === 'tools/call');
    const stopped = world.gateway.stop();
    await expect
      .poll(
        async () => await send(world.url('open'), { headers: world.auth, body: call('echo') }).catch(() => 'refused'),
        { timeout: 10_000 },
      )
      .toSatisfy((answer) => answer === 'refused' || (answer as { status: number }).status === 503);
    release();
    const answer = await inFlight;
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('last');
    expect(await stopped).toBe(0);
    await world.upstream.close();
  });

  test('SIGTERM under load breaks no call that was taken [R2]', async () => {
    const world = await startWorld({ extraYaml: generous });
    const load = startLoad(world.url('open'), world.auth, 8);
    await expect.poll(() => load.answered.size).toBeGreaterThan(50);
    const stopped = world.gateway.stop();
    expect(await stopped).toBe(0);
    await load.stop();
    expect(load.refused.filter((status) => status !== 503)).toEqual([]);
    await world.upstream.close();
  });

  test('SIGINT while developing exits at once [S0.22]', async () => {
    const world = await startWorld({ env: { NODE_ENV: 'development' } });
    world.upstream.script(() => {});
    const inFlight = send(world.url('open'), { headers: world.auth, body: call('echo') }).catch(() => 'cut');
    await world.upstream.waitFor(({ rpc }) => rpc.method === 'tools/call');
    const before = performance.now();
    process.kill(world.gateway.pid, 'SIGINT');
    await world.gateway.exited;
    expect(performance.now() - before).toBeLessThan(3000);
    await inFlight;
    await world.upstream.close();
  });

  test('an error that nobody expected is logged, what is known of calls is saved, and the process ends with 1 [R33]', async () => {
    const bomb = encodeURIComponent('process.on("SIGUSR2",()=>{throw new Error("nobody expected this")})');
    const world = await startWorld({ env: { NODE_OPTIONS: `--import=data:text/javascript,${bomb}` } });
    expect((await send(world.url('open'), { headers: world.auth, body: call('echo') })).status).toBe(200);
    process.kill(world.gateway.pid, 'SIGUSR2');
    expect(await world.gateway.exited).toBe(1);
    expect(world.gateway.output()).toContain('nobody expected this');
    await world.upstream.close();
  });

  test('no child process outlives the gateway, however it ends', async () => {
    const require = createRequire(import.meta.url);
    const script = require.resolve('@modelcontextprotocol/server-memory/dist/index.js');
    for (const end of ['stop', 'kill9'] as const) {
      const gateway = await startGateway({ configYaml: stdioConfig(script), env: {} });
      const key = await createKey(gateway);
      const answer = await send(`${gateway.url}/demo/mcp/memory`, {
        headers: bearer(key),
        body: initialize(),
      });
      expect(answer.status).toBe(200);
      const children = descendants(gateway.pid).filter((pid) => commandLine(pid).includes('server-memory'));
      expect(children.length).toBeGreaterThan(0);
      await gateway[end]();
      await expect.poll(() => children.filter(isAlive), { timeout: 8000 }).toEqual([]);
    }
  });
});

const stdioConfig = (script: string) => `
organizations: [{ slug: demo, name: Demo }]
servers:
  - { key: memory, transport: { kind: stdio, command: node, args: ['${script}'], state: stateful } }
collections:
  - { organization: demo, name: memory, allowedRoles: '*', bindings: [{ server: memory }] }
enablements: [{ organization: demo, server: memory, allMembers: true }]
runner: { sandbox: none }
`;
