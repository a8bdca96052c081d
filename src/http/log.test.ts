import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import { Secret } from '#core/secret.ts';
import { type LogOptions, openLog } from './log.ts';
import { scrubText } from './log-scrub.ts';

const line = z.looseObject({ level: z.string(), time: z.string(), msg: z.string() });

function setUp(options: Partial<LogOptions> = {}) {
  let output = '';
  const destination = {
    write(text: string) {
      output += text;
    },
  };
  const log = openLog({ level: 'debug', format: 'json', destination, ...options });
  return {
    log,
    output: () => output,
    lines: () =>
      output
        .trimEnd()
        .split('\n')
        .filter(Boolean)
        .map((text) => line.parse(JSON.parse(text))),
  };
}

const secrets = [
  'Bearer abcdef0123456789canary',
  'eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.canary',
  'gw_live_0123456789012345678901_canary',
  'gw_test_0123456789012345678901_canary',
  'sk-proj-canary0123456789',
  'ghp_canary0123456789',
  'github_pat_canary0123456789',
  'xoxb-12345-canary',
  'AKIAIOSFODNN7CANARY00',
  'https://user:canary@upstream.example/x',
  '/callback?code=canary&state=canary',
  '/mcp?access_token=canary#x',
  '-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----',
];

describe('the log', () => {
  test('a request is one line with method, path, status and time, its level by its status [S0.42]', () => {
    const { log, lines } = setUp();
    for (const status of [200, 302, 401, 503])
      log.request({ method: 'POST', path: '/acme/mcp', status, durationMs: 12.345 }, { requestId: 'r' });
    expect(lines().map(({ level, msg }) => [level, msg])).toEqual([
      ['info', 'POST /acme/mcp 200 12.3ms'],
      ['info', 'POST /acme/mcp 302 12.3ms'],
      ['warn', 'POST /acme/mcp 401 12.3ms'],
      ['error', 'POST /acme/mcp 503 12.3ms'],
    ]);
    expect(lines()[0]).toMatchObject({
      requestId: 'r',
      method: 'POST',
      path: '/acme/mcp',
      status: 200,
      durationMs: 12.3,
    });
  });

  test('only what reaches the level is written [S0.42]', () => {
    const { log, lines } = setUp({ level: 'warn' });
    log.debug({}, 'a');
    log.info({}, 'b');
    log.request({ method: 'GET', path: '/', status: 200, durationMs: 1 });
    log.warn({}, 'c');
    log.request({ method: 'GET', path: '/', status: 404, durationMs: 1 });
    expect(lines().map(({ msg }) => msg)).toEqual(['c', 'GET / 404 1ms']);
    expect(setUp({ level: 'silent' }).output()).toBe('');
  });

  test('the pretty format is for people and holds the same [S0.42]', () => {
    const { log, output } = setUp({ format: 'pretty' });
    log.request({ method: 'GET', path: '/health', status: 200, durationMs: 1 }, { org: 'acme' });
    expect(output()).toMatch(/INFO.*GET \/health 200 1ms/);
    expect(output()).toContain('"org":"acme"');
  });

  test('the query of a path is never written [I3]', () => {
    const { log, output } = setUp();
    log.request({ method: 'GET', path: '/authorize?anything=canary', status: 200, durationMs: 1 });
    expect(output()).not.toContain('canary');
  });

  test.each(secrets)('%j is taken out of messages, fields, arrays and errors, in both formats [I3]', (secret) => {
    for (const format of ['json', 'pretty'] as const) {
      const { log, output } = setUp({ format });
      const error = new GatehouseError('internal', { cause: new AggregateError([new Error(secret)], secret) });
      log.error({ err: error, text: secret, deep: { list: [{ text: secret }] } }, `failed with ${secret}`);
      log.error(new Error(secret), secret);
      log.request({ method: 'GET', path: secret, status: 500, durationMs: 1 }, { userAgent: secret });
      expect(output().toLowerCase()).not.toContain('canary');
      expect(output()).toContain('[redacted]');
    }
  });

  test('fields are taken out by their name, however deep [I3]', () => {
    const { log, output, lines } = setUp();
    const headers = {
      Authorization: 'canary',
      'Proxy-Authorization': 'canary',
      Cookie: 'canary',
      'set-cookie': ['canary'],
      'X-API-Key': 'canary',
    };
    const body = {
      access_token: 'canary',
      clientSecret: 'canary',
      Password: 'canary',
      code: 'canary',
      code_verifier: 'canary',
      state: 'canary',
      client_assertion: 'canary',
      requestState: 'canary',
      apiKey: { value: 'canary' },
    };
    log.info({ headers, body, secret: new Secret('canary'), 'mcp-session-id': 'canary', kept: 1 }, 'x');
    expect(output()).not.toContain('canary');
    expect(lines()[0]).toMatchObject({ kept: 1, 'mcp-session-id': expect.stringMatching(/^sha256:[0-9a-f]{12}$/) });
  });

  test('an error keeps its code, its cause and where it was thrown', () => {
    const { log, lines } = setUp();
    log.warn({ err: new GatehouseError('upstream_timeout', { cause: new Error('why') }) }, 'x');
    expect(lines()[0]?.err).toMatchObject({
      code: 'upstream_timeout',
      message: 'Upstream server did not answer in time',
      stack: expect.stringContaining('log.test.ts'),
      cause: { message: 'why' },
    });
  });

  test('nobody forges a line or reaches the terminal, in either format [I4]', () => {
    const forged = 'agent\n{"level":"info","msg":"forged"}\r\n\u001b[2J\u009b31m\u2028\u202e';
    for (const format of ['json', 'pretty'] as const) {
      const { log, output } = setUp({ format });
      log.warn({ userAgent: forged, [forged]: 1 }, `from ${forged}`);
      log.request({ method: 'GET', path: `/${forged}`, status: 200, durationMs: 1 });
      expect(output()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e]/);
      expect(output()).not.toMatch(/^\s*\{"level":"info","msg":"forged"/m);
      if (format === 'json') expect(output().trimEnd().split('\n')).toHaveLength(2);
    }
    const { log, lines } = setUp();
    log.error({ err: new Error(forged) }, 'x');
    expect(lines()).toHaveLength(1);
  });

  test('plain words about tokens stay readable', () => {
    for (const text of ['Invalid bearer token.', 'No token provided.', 'basic authentication', 'a@b.example'])
      expect(scrubText(text)).toBe(text);
  });

  test('anything can be logged without a throw', () => {
    const { log } = setUp();
    const loop: Record<string, unknown> = {
      big: 1n,
      at: new Date(0),
      bytes: Buffer.from('x'),
      nothing: null,
      call: () => 1,
      symbol: Symbol('s'),
    };
    loop.self = loop;
    log.info(loop, 'loop');
    fc.assert(
      fc.property(fc.object(), fc.string(), (fields, message) => log.info(fields, message)),
      { numRuns: 200 },
    );
    fc.assert(fc.property(fc.string(), (text) => !/[\u0000-\u001f]/.test(scrubText(text))));
  });

  test('a long text without end is scrubbed in linear time', () => {
    const from = performance.now();
    const parts = [
      'a',
      'a.',
      '&a',
      'eyJ',
      'eyJ-',
      'x://',
      '?token',
      '?tokentoken',
      'bearer ',
      'sk',
      '-----BEGIN PRIVATE KEY-----',
    ];
    for (const letters of parts) scrubText(`${letters.repeat(20_000)}@=`);
    expect(performance.now() - from).toBeLessThan(2000);
  });

  test('buffered lines are in the file after close', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'log-'));
    const destination = join(directory, 'logs', 'gatehouse.log');
    const { log } = setUp({ destination, buffered: true });
    log.info({}, 'kept');
    await log.close();
    expect(readFileSync(destination, 'utf8')).toContain('kept');
    rmSync(directory, { recursive: true });
  });
});
