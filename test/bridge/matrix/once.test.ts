/**
 * A tool that has its effect before it asks has it once, whatever a modern client makes of the state that it was handed:
 * with a legacy server, whose call waits at the gateway, and a modern one, whose state goes through the client.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { createKey } from '#kit/gateway.ts';
import { type ClientRow, rows } from './clients.ts';
import { said } from './feature.ts';
import { enveloped, type Posted, post } from './raw.ts';
import { type MatrixWorld, startMatrixWorld } from './world.ts';

let world: MatrixWorld;
let foreignKey: string;
let row: ClientRow;

beforeAll(async () => {
  world = await startMatrixWorld();
  foreignKey = await createKey(world.gateway);
  const found = rows.find(({ version, wire }) => version === '2026-07-28' && wire === 'http');
  if (!found) throw new Error('no modern client');
  row = found;
});
afterAll(() => world?.close());

const capabilities: JsonObject = { elicitation: { form: {}, url: {} } };
const yes: JsonObject = { confirm: { action: 'accept', content: { name: 'ann' } } };
let count = 0;

interface Where {
  readonly endpoint: string;
  /** Of tool names. */
  readonly prefix: string;
}

interface Said {
  readonly tool?: string;
  readonly tag: string;
  readonly state?: string | undefined;
  readonly answers?: JsonObject;
  readonly key?: string;
  readonly signal?: AbortSignal;
}

function call(
  { endpoint, prefix }: Where,
  { tool = 'charge', tag, state, answers, key, signal }: Said,
): Promise<Posted> {
  const params = {
    name: `${prefix}${tool}`,
    arguments: { tag },
    ...(state === undefined ? {} : { requestState: state }),
    ...(answers === undefined ? {} : { inputResponses: answers }),
  };
  const message = { id: ++count, method: 'tools/call', params: enveloped(row, params, capabilities) };
  return post(row, world.address(endpoint, key), message, signal ? { signal } : {});
}

async function park(where: Where, tag: string, tool?: string) {
  const { answer } = await call(where, { tag, ...(tool === undefined ? {} : { tool }) });
  const result = objectIn(answer, 'result');
  expect(result).toMatchObject({ resultType: 'input_required' });
  const [key = ''] = Object.keys(objectIn(result, 'inputRequests') ?? {});
  return {
    state: stringIn(result, 'requestState') ?? '',
    answers: { [key]: { action: 'accept', content: { name: 'ann' } } },
  };
}

/** How often the server did it. */
async function counted(where: Where, tag: string): Promise<number> {
  const { answer } = await call(where, { tool: 'report', tag: '' });
  const { counts } = said(objectIn(answer, 'result') ?? {}) as unknown as { counts: Record<string, number> };
  return counts[tag] ?? 0;
}

const refused = { status: 400, answer: { error: { code: -32602 } } };
const done = (counts: number) => ({
  status: 200,
  answer: { result: { resultType: 'complete', content: [{ text: JSON.stringify({ counts, action: 'accept' }) }] } },
});
const flip = (state: string) => `${state.slice(0, -8)}${state.at(-8) === 'A' ? 'B' : 'A'}${state.slice(-7)}`;

describe.each([
  { title: 'a legacy server', endpoint: 'http', prefix: '' },
  { title: 'a legacy server over stdio', endpoint: 'stdio', prefix: '' },
  { title: 'a legacy server in a collection', endpoint: 'pair', prefix: 'http_' },
  { title: 'a modern server in a collection', endpoint: 'pair', prefix: 'modern_' },
])('$title', (where) => {
  const tagOf = (name: string) => `${where.endpoint} ${where.prefix} ${name}`;

  const wrong: Readonly<Record<string, (state: string) => Partial<Said> & { readonly endpoint?: string }>> = {
    'a state with one bit flipped': (state) => ({ state: flip(state) }),
    'a state that was made up': () => ({ state: 'gh1.AAAA' }),
    'a state of no kind of ours': () => ({ state: JSON.stringify({ round: 0, answers: yes }) }),
    'an empty state': () => ({ state: '' }),
    'the key of somebody else': (state) => ({ state, key: foreignKey }),
    'other arguments': (state) => ({ state, tag: 'another tag' }),
    'another tool': (state) => ({ state, tool: 'ask_form' }),
  };

  test.each(Object.keys(wrong))('%s reaches nothing, and the call goes on afterwards [C8]', async (name) => {
    const tag = tagOf(name);
    const { state, answers } = await park(where, tag);
    expect(await counted(where, tag)).toBe(1);
    const bad = wrong[name]?.(state) ?? {};
    expect(await call(where, { tag, answers, ...bad })).toMatchObject(refused);
    expect(await counted(where, tag)).toBe(1);
    expect(await counted(where, 'another tag')).toBe(0);
    expect(await call(where, { tag, state, answers })).toMatchObject(done(1));
    expect(await counted(where, tag)).toBe(1);
  });

  test('the server’s own state is not shown [C8]', async () => {
    const { state } = await park(where, tagOf('shown'));
    expect(state).toMatch(/^gh\d\.[A-Za-z0-9_-]+$/);
    expect(Buffer.from(state.slice(4), 'base64url').toString('latin1')).not.toContain('round');
  });

  test('hanging up in between, even in the middle of a retry that answers nothing, changes nothing [C8]', async () => {
    const tag = tagOf('hang up');
    const { state, answers } = await park(where, tag);
    await call(where, { tag, state, answers: {}, signal: AbortSignal.abort() }).catch(() => undefined);
    expect(await call(where, { tag, state, answers })).toMatchObject(done(1));
  });
});

describe('a call that waits at the gateway', () => {
  const where = { endpoint: 'http', prefix: '' };

  test('is not carried out again without its state, nor once it has ended [C8]', async () => {
    const { state, answers } = await park(where, 'ended');
    expect(await call(where, { tag: 'ended', answers })).toMatchObject(refused);
    expect(await call(where, { tag: 'ended', state, answers })).toMatchObject(done(1));
    expect(await call(where, { tag: 'ended', state, answers })).toMatchObject(refused);
    expect(await call(where, { tag: 'ended', state })).toMatchObject(refused);
    expect(await counted(where, 'ended')).toBe(1);
  });

  test('takes the state of each round once [C8]', async () => {
    const first = await park(where, 'rounds', 'ask_in_turn');
    const second = await call(where, { tool: 'ask_in_turn', tag: 'rounds', ...first });
    const result = objectIn(second.answer, 'result');
    expect(result).toMatchObject({ resultType: 'input_required' });
    expect(await call(where, { tool: 'ask_in_turn', tag: 'rounds', ...first })).toMatchObject(refused);
    const [key = ''] = Object.keys(objectIn(result, 'inputRequests') ?? {});
    const third = await call(where, {
      tool: 'ask_in_turn',
      tag: 'rounds',
      state: stringIn(result, 'requestState'),
      answers: { [key]: { action: 'decline' } },
    });
    expect(third.answer).toMatchObject({ result: { resultType: 'input_required' } });
  });

  test('two retries at once are one [C8]', async () => {
    const { state, answers } = await park(where, 'twice');
    const both = await Promise.all([0, 1].map(() => call(where, { tag: 'twice', state, answers })));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 400]);
    expect(await counted(where, 'twice')).toBe(1);
  });

  test('is good at no other endpoint [C8]', async () => {
    const { state, answers } = await park(where, 'elsewhere');
    for (const endpoint of ['events', 'bare'])
      expect(await call({ endpoint, prefix: '' }, { tag: 'elsewhere', state, answers })).toMatchObject(refused);
    expect(await call({ endpoint: 'pair', prefix: 'http_' }, { tag: 'elsewhere', state, answers })).toMatchObject(
      refused,
    );
    expect(await call(where, { tag: 'elsewhere', state, answers })).toMatchObject(done(1));
  });

  test('an answer that does not fit the form is refused, and can be given again [C8]', async () => {
    const { state, answers } = await park(where, 'unfit');
    const [key = ''] = Object.keys(answers);
    const unfit: readonly JsonObject[] = [
      { action: 'perhaps' },
      { action: 'accept', content: {} },
      { action: 'accept', content: { name: 7 } },
    ];
    for (const one of unfit)
      expect(await call(where, { tag: 'unfit', state, answers: { [key]: one } })).toMatchObject({
        answer: { error: { code: -32602 } },
      });
    expect(await call(where, { tag: 'unfit', state, answers })).toMatchObject(done(1));
  });

  test('whoever will not open an address is not asked for ever', async () => {
    const first = await park(where, 'address', 'must_connect');
    const declined = Object.fromEntries(Object.keys(first.answers).map((key) => [key, { action: 'decline' }]));
    const { answer } = await call(where, {
      tool: 'must_connect',
      tag: 'address',
      state: first.state,
      answers: declined,
    });
    expect(answer).toMatchObject({ result: { resultType: 'complete', isError: true } });
    expect(await counted(where, 'address')).toBe(1);
  });
});
