/** `gatehouse policy`: what is saved, what is refused, what is asked before it counts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type PolicyWorld, startPolicyWorld } from '#kit/policy-world.ts';

let world: PolicyWorld;
beforeAll(async () => {
  world = await startPolicyWorld();
});
afterAll(() => world?.close());

describe('the command line', () => {
  const write = (name: string, text: string) => {
    const file = join(world.dataDir, name);
    writeFileSync(file, text);
    return file;
  };

  test('what is wrong is not saved, and the message says what was meant [S2.17]', async () => {
    const { code, err } = await world.policy(
      ...['put', 'bad', '--file', write('bad.cedar', 'permit(principal, action == Action::"call_tol", resource);')],
    );
    expect(code).toBe(1);
    expect(err).toMatch(/call_tol.*did you mean `Action::"call_tool"`/);
    const empty = JSON.stringify({ version: '1.0', type: 'cedarv1', cedar: { policies: [] } });
    expect((await world.policy('put', 'bad', '--file', write('bad.json', empty))).err).toMatch(/at least one policy/);
    expect((await world.policy('list', '--json')).out).toBe('[]\n');
  });

  test('the examples do what they say, as files and as cases of a test [S2.28] [S2.17]', async () => {
    const example = (name: string) => join(import.meta.dirname, '../../examples/authz', name);
    const cedar = example('example-policy.cedar');
    const cases = write(
      'cases.yaml',
      readFileSync(example('cases.yaml'), 'utf8').replaceAll('server: github', 'server: files'),
    );
    const passed = await world.policy('test', '--cases', cases, '--draft', cedar);
    expect(passed.err).not.toMatch(/otherwise/);
    expect(passed.code).toBe(0);
    expect(passed.out).toMatch(/analysts read: permit\n {2}draft@1: permit \(analysts-read\)/);
    const wrong = write(
      'wrong.json',
      JSON.stringify([{ claims: { roles: ['admin'] }, server: 'files', resource: 'x', expect: 'deny' }]),
    );
    const failed = await world.policy('test', '--cases', wrong, '--draft', cedar);
    expect(failed).toMatchObject({ code: 1, err: expect.stringContaining('1 of 1 cases') });
    expect((await world.policy('put', 'ex', '--file', example('example-authz.json'), '--server', 'files')).code).toBe(
      0,
    );
    const ask = async (claims: object, ...more: readonly string[]) =>
      (await world.policy('test', '--server', 'files', '--claims', JSON.stringify(claims), ...more)).out.split('\n')[0];
    const group = '11111111-2222-3333-4444-555555555555';
    expect(await ask({ groups: [group] }, '--resource', 'search_code')).toBe('case 1: permit');
    expect(await ask({ groups: ['other'] }, '--resource', 'search_code')).toBe('case 1: deny');
    const read = ['--action', 'read_resource', '--resource', 'repo://x'];
    expect(await ask({ groups: ['leads'] }, ...read)).toBe('case 1: permit');
    expect(await ask({ groups: [] }, ...read)).toBe('case 1: deny');
    await world.policy('remove', 'ex');
  });

  test('a table says who can do what, by grants and policies together', async () => {
    await world.put(
      'permit(principal in THVGroup::"MCP-Admin", action, resource); permit(principal, action, resource == Tool::"read");',
      '--server',
      'files',
    );
    const { out } = await world.policy('matrix', '--server', 'files', '--json');
    const { groups, rows } = z
      .object({ groups: z.array(z.string()), rows: z.array(z.unknown()) })
      .parse(JSON.parse(out));
    expect(groups).toEqual(['everybody', 'MCP-Admin']);
    expect(rows).toContainEqual({ endpoint: 'files', server: 'files', tool: 'read', cells: ['yes', 'yes'] });
    expect(rows).toContainEqual({ endpoint: 'files', server: 'files', tool: '*', cells: ['policy', 'yes'] });
    await world.remove();
  });
});
