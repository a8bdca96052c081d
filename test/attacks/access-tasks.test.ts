/** What was begun with a right goes no further once the right is gone. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccessWorld, startAccessWorld } from '#kit/access-world.ts';
import { openModernWire, WireRefusal } from '#kit/modern-wire.ts';
import { startModernTaskServer } from '#kit/task-servers/modern.ts';

let tasks: Awaited<ReturnType<typeof startModernTaskServer>>;
let world: AccessWorld;
beforeAll(async () => {
  tasks = await startModernTaskServer();
  world = await startAccessWorld({
    people: ['ann'],
    servers: ['plain'],
    hasShort: false,
    yaml: `enablements: [{ organization: acme, server: plain, allowedRoles: [nobody] }]`,
    url: tasks.url,
  });
}, 60_000);
afterAll(async () => {
  await world?.close();
  await tasks?.close();
});

test('a task of a tool that was taken away is neither told of, answered nor ended [S3.12] [C6]', async () => {
  const group = await world.addGroup({ name: 'Some', server: 'plain', tools: ['slow_compute'], people: ['ann'] });
  const extensions = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
  const wire = openModernWire(`${world.app.url}/acme/mcp/plain`, await world.token('ann'), extensions);
  const call = () => wire.request('tools/call', { name: 'slow_compute', arguments: { seconds: 0.05, label: 'x' } });
  const status = (method: string, params: Record<string, unknown>) =>
    wire.request(method, params).then(
      () => 200,
      (thrown: unknown) => (thrown instanceof WireRefusal ? thrown.status : 403),
    );
  await expect
    .poll(() =>
      call().then(
        () => 200,
        () => 403,
      ),
    )
    .toBe(200);
  const { taskId } = await call();
  expect(await status('tasks/get', { taskId })).toBe(200);
  await world.database.sql(`update gateway.grants set tools = '["failing_job"]'::jsonb where group_id = $1`, [group]);
  await expect
    .poll(() =>
      call().then(
        () => 200,
        () => 403,
      ),
    )
    .toBe(403);
  expect(await status('tasks/get', { taskId })).toBe(403);
  expect(await status('tasks/update', { taskId, inputResponses: {} })).toBe(403);
  expect(await status('tasks/cancel', { taskId })).toBe(403);
  await world.database.sql('update gateway.grants set tools = null where group_id = $1', [group]);
  await expect.poll(() => status('tasks/get', { taskId })).toBe(200);
  await world.database.sql(`update gateway.enablements set blocked_tools = '["slow_compute"]'::jsonb`);
  await expect.poll(() => status('tasks/get', { taskId })).not.toBe(200);
});
