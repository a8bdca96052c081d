import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { call } from '#kit/http-client.ts';
import { sendRaw } from '#kit/raw-client.ts';
import { startWorld, type World } from '#kit/world.ts';

const body = JSON.stringify(call('smuggled-or-not', {}));

interface Case {
  readonly what: string;
  /** `{auth}` and `{host}` stand for this run's values; a body is added only where it stands here. */
  readonly raw: string;
  /** Statuses that are a clear refusal here. */
  readonly status?: readonly number[];
}

const line = 'POST /demo/mcp/open HTTP/1.1\r\n';
const json = 'Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n';
const usual = `Host: {host}\r\n{auth}${json}`;
const sized = `Content-Length: ${body.length}\r\n`;
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

const with2 = (extra: string): string => `${line}${usual}${extra}${sized}\r\n${body}`;

/** SECURITY appendix L4. Each must end in one clear refusal with nothing sent upstream. */
const corpus: readonly Case[] = [
  {
    what: 'CL.TE',
    raw: `${line}${usual}Content-Length: ${body.length + 40}\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}${smuggled}`,
  },
  { what: 'TE.CL', raw: `${line}${usual}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${chunked}${smuggled}` },
  {
    what: 'TE twice',
    raw: `${line}${usual}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
  },
  { what: 'TE identity, chunked', raw: `${line}${usual}Transfer-Encoding: identity, chunked\r\n\r\n${chunked}` },
  { what: 'TE chunked, identity', raw: `${line}${usual}Transfer-Encoding: chunked, identity\r\n\r\n${chunked}` },
  { what: 'TE xchunked', raw: `${line}${usual}Transfer-Encoding: xchunked\r\n\r\n${chunked}` },
  { what: 'TE gzip, chunked', raw: `${line}${usual}Transfer-Encoding: gzip, chunked\r\n\r\n${chunked}` },
  { what: 'TE with a tab before the value', raw: `${line}${usual}Transfer-Encoding:\tx, chunked\r\n\r\n${chunked}` },
  { what: 'TE with a space before the colon', raw: `${line}${usual}Transfer-Encoding : chunked\r\n\r\n${chunked}` },
  {
    what: 'HTTP/1.0 with TE',
    raw: `POST /demo/mcp/open HTTP/1.0\r\n${usual}Transfer-Encoding: chunked\r\n\r\n${chunked}`,
  },
  { what: 'two different Content-Length', raw: `${line}${usual}${sized}Content-Length: 3\r\n\r\n${body}` },
  { what: 'two equal Content-Length', raw: `${line}${usual}${sized}${sized}\r\n${body}` },
  { what: 'Content-Length list', raw: `${line}${usual}Content-Length: ${body.length}, ${body.length}\r\n\r\n${body}` },
  { what: 'Content-Length with sign', raw: `${line}${usual}Content-Length: +${body.length}\r\n\r\n${body}` },
  { what: 'negative Content-Length', raw: `${line}${usual}Content-Length: -1\r\n\r\n${body}` },
  { what: 'Content-Length in hex', raw: `${line}${usual}Content-Length: 0x${body.length.toString(16)}\r\n\r\n${body}` },
  { what: 'two Host', raw: with2('Host: evil.example\r\n') },
  { what: 'no Host', raw: `${line}{auth}${json}${sized}\r\n${body}` },
  { what: 'two Authorization', raw: with2('Authorization: Bearer other\r\n') },
  { what: 'two Content-Type', raw: with2('Content-Type: text/plain\r\n') },
  { what: 'two Mcp-Name', raw: with2('Mcp-Name: safe\r\nMcp-Name: evil\r\n') },
  { what: 'two Mcp-Method', raw: with2('Mcp-Method: ping\r\nMcp-Method: tools/call\r\n') },
  { what: 'two Mcp-Session-Id', raw: with2('Mcp-Session-Id: a\r\nMcp-Session-Id: b\r\n') },
  {
    what: 'two MCP-Protocol-Version',
    raw: with2('MCP-Protocol-Version: 2025-11-25\r\nMCP-Protocol-Version: 2025-06-18\r\n'),
  },
  { what: 'two Origin', raw: with2('Origin: http://{host}\r\nOrigin: http://evil.example\r\n'), status: [400, 403] },
  { what: 'bare LF', raw: `${line.replace('\r', '')}${usual.replaceAll('\r', '')}${sized.replace('\r', '')}\n${body}` },
  { what: 'bare LF in one field', raw: with2('X-A: b\n') },
  { what: 'bare CR', raw: with2('X-A: b\rX-B: c\r\n') },
  { what: 'obs-fold', raw: with2('X-A: b\r\n folded\r\n') },
  { what: 'NUL in a value', raw: with2('X-A: b\x00c\r\n') },
  { what: 'NUL in a name', raw: with2('X\x00A: b\r\n') },
  { what: 'space in a name', raw: with2('X A: b\r\n') },
  { what: 'space before the colon', raw: with2('X-A : b\r\n') },
  { what: 'an empty name', raw: with2(': b\r\n') },
  {
    what: 'bare-LF chunks',
    raw: `${line}${usual}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\n${body}\n0\n\n`,
  },
  {
    what: 'chunk size overflow',
    raw: `${line}${usual}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n${body}\r\n0\r\n\r\n`,
  },
  { what: 'negative chunk size', raw: `${line}${usual}Transfer-Encoding: chunked\r\n\r\n-1\r\n${body}\r\n0\r\n\r\n` },
  { what: 'chunk size with 0x', raw: `${line}${usual}Transfer-Encoding: chunked\r\n\r\n0x${chunked}` },
  {
    what: 'chunk extension flood',
    raw: `${line}${usual}Transfer-Encoding: chunked\r\n\r\n${`1;${'x'.repeat(40_000)}\r\n{\r\n`}`,
    status: [400, 413],
  },
  {
    what: 'chunk without its end',
    raw: `${line}${usual}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}XX0\r\n\r\n`,
  },
  {
    what: 'absolute-form of another host',
    raw: `POST http://evil.example/demo/mcp/open HTTP/1.1\r\n${usual}${sized}\r\n${body}`,
    status: [400, 421],
  },
  { what: 'asterisk-form', raw: `POST * HTTP/1.1\r\n${usual}${sized}\r\n${body}`, status: [400, 404] },
  { what: 'authority-form', raw: `CONNECT evil.example:443 HTTP/1.1\r\n${usual}\r\n`, status: [400, 405, 501] },
  { what: 'HTTP/2 preface', raw: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', status: [400, 505] },
  {
    what: 'h2c upgrade',
    raw: with2('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'),
    status: [400, 426, 501],
  },
  { what: 'an unknown upgrade', raw: with2('Connection: Upgrade\r\nUpgrade: foo\r\n'), status: [400, 426, 501] },
  { what: 'an unknown expectation', raw: with2('Expect: 200-ok\r\n'), status: [400, 417] },
  { what: 'GET with a body', raw: `GET /demo/mcp/open HTTP/1.1\r\n${usual}${sized}\r\n${body}` },
  { what: 'DELETE with a body', raw: `DELETE /demo/mcp/open HTTP/1.1\r\n${usual}${sized}\r\n${body}` },
  { what: '20 KB of header', raw: with2(`X-A: ${'x'.repeat(20_480)}\r\n`), status: [431] },
  {
    what: '200 headers',
    raw: with2(Array.from({ length: 200 }, (_, i) => `X-${i}: 1\r\n`).join('')),
    status: [400, 431],
  },
  { what: 'no HTTP at all', raw: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' },
  { what: 'a target with a space', raw: `POST /demo/mcp/open x HTTP/1.1\r\n${usual}${sized}\r\n${body}` },
  {
    what: 'an 8 KB target',
    raw: `POST /demo/mcp/open?${'x'.repeat(8192)} HTTP/1.1\r\n${usual}${sized}\r\n${body}`,
    status: [400, 414, 431],
  },
  {
    what: 'an unknown method',
    raw: `SMUGGLE /demo/mcp/open HTTP/1.1\r\n${usual}${sized}\r\n${body}`,
    status: [400, 405, 501],
  },
];

describe('requests that parsers disagree about', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({
      extraYaml:
        'limits: { principal: { requestsPerMinute: 10000, concurrentCalls: 200 }, upstream: { queuedCalls: 200, concurrentCalls: 64 } }\n',
    });
  });
  afterAll(() => world?.close());
  beforeEach(() => world.upstream.clear());

  const fill = (raw: string) =>
    raw.replaceAll('{host}', `127.0.0.1:${world.port}`).replaceAll('{auth}', `Authorization: Bearer ${world.key}\r\n`);

  test('the plain form of the corpus is served', async () => {
    const { answers } = await sendRaw(world.port, fill(`${line}${usual}${sized}\r\n${body}`));
    expect(answers.map(({ status }) => status)).toEqual([200]);
    const piece = await sendRaw(world.port, fill(`${line}${usual}Transfer-Encoding: chunked\r\n\r\n${chunked}`));
    expect(piece.answers.map(({ status }) => status)).toEqual([200]);
  });

  test.each(corpus)(
    '$what: one clear refusal, and nothing goes upstream [E1] [E2]',
    async ({ raw, status = [400] }) => {
      const { answers, closed } = await sendRaw(world.port, fill(raw), { answers: 2, timeoutMs: 600 });
      expect(answers.length).toBe(1);
      expect(status).toContain(answers[0]?.status);
      expect(world.upstream.bytes().toString('latin1')).toBe('');
      // What the refused request left on the connection must not become the next request.
      if (!closed) {
        const next = await sendRaw(world.port, fill(`${line}${usual}${sized}\r\n${body}`));
        expect(next.answers[0]?.status).toBe(200);
      }
    },
  );

  test('a hundred pipelined requests get a hundred answers in order [E1]', async () => {
    const one = (id: number) => {
      const text = JSON.stringify(call('echo', { id }, id));
      return `${line}${usual}Content-Length: ${text.length}\r\n\r\n${text}`;
    };
    const all = fill(Array.from({ length: 100 }, (_, id) => one(id)).join(''));
    const { answers } = await sendRaw(world.port, all, { answers: 100, timeoutMs: 8000 });
    expect(answers.map((answer) => JSON.parse(answer.body).id)).toEqual(Array.from({ length: 100 }, (_, id) => id));
    expect(world.upstream.requests).toHaveLength(100);
  });

  test('trailers do not become headers [E1]', async () => {
    const raw = `${line}${usual}Transfer-Encoding: chunked\r\nTrailer: X-User-Email\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\nX-User-Email: evil\r\nAuthorization: Bearer evil\r\n\r\n`;
    const { answers } = await sendRaw(world.port, fill(raw));
    expect([200, 400]).toContain(answers[0]?.status);
    expect(world.upstream.bytes().includes('evil')).toBe(false);
  });

  test('names with an underscore are not taken for their hyphenated twins [E3]', async () => {
    const raw = with2('X_User_Email: evil\r\nMcp_Session_Id: evil\r\nX_Forwarded_For: evil\r\n');
    const { answers } = await sendRaw(world.port, fill(raw));
    expect([200, 400]).toContain(answers[0]?.status);
    expect(world.upstream.bytes().includes('evil')).toBe(false);
  });

  test('line breaks in arguments never become header fields upstream [E4]', async () => {
    for (const value of ['a\r\nX-Evil: 1', 'a\u010d\u010aX-Evil: 1', 'a%0d%0aX-Evil: 1', 'a\nX-Evil: 1']) {
      const text = JSON.stringify(call(value, { region: value }));
      const raw = `${line}${usual}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n`;
      await sendRaw(world.port, [fill(raw), Buffer.from(text)]);
      for (const { rawHeaders } of world.upstream.requests)
        expect(rawHeaders.map((field) => field.toLowerCase())).not.toContain('x-evil');
    }
  });

  test('a body that never comes is cut and holds nothing [E9] [E10]', async () => {
    const { answers } = await sendRaw(world.port, fill(`${line}${usual}${sized}\r\n${body.slice(0, 10)}`), {
      halfClose: true,
      timeoutMs: 2000,
    });
    for (const { status } of answers) expect(status).toBeGreaterThanOrEqual(400);
    expect(world.upstream.bytes().length).toBe(0);
  });
});
