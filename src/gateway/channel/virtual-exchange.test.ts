import { describe, expect, test } from 'vitest';
import { readBody } from '#http/body.ts';
import { type Message, parseMessage } from '#mcp/message.ts';
import { Outbox } from './outbox.ts';
import { VirtualRequest, VirtualResponse, type VirtualResponseOptions } from './virtual-exchange.ts';

const asked = (value: unknown): Message => parseMessage(Buffer.from(JSON.stringify(value)));
const request = asked({ jsonrpc: '2.0', id: 'a-1', method: 'tools/list' });
const answer = '{"jsonrpc":"2.0","id":"a-1","result":{"text":"é😀"}}';

function open(options: Partial<VirtualResponseOptions> = {}) {
  const sent: string[] = [];
  const written: (() => void)[] = [];
  let over: boolean | undefined;
  const outlet = new Outbox((text, done) => {
    sent.push(text);
    written.push(done);
  });
  const response = new VirtualResponse({
    outlet,
    message: request,
    onOver: (ok) => {
      over = ok;
    },
    ...options,
  });
  const messages = () => sent.map((text) => JSON.parse(text));
  return { response, sent, messages, flush: () => written.splice(0).forEach((done) => void done()), over: () => over };
}
const broken = { jsonrpc: '2.0', id: 'a-1', error: { code: -32603, message: expect.any(String) } };
const json = { 'Content-Type': 'application/json' };
const events = { 'content-type': 'text/event-stream' };

describe('a response of a channel', () => {
  test('an answer in pieces is one message, byte for byte', () => {
    const { response, sent, over } = open();
    response.writeHead(200, json);
    for (const byte of Buffer.from(answer)) response.write(Buffer.of(byte));
    expect(sent).toEqual([]);
    response.end();
    expect(sent).toEqual([answer]);
    expect(over()).toBe(true);
  });

  test('events in single bytes, with any line break, comments and priming events, are whole messages', () => {
    const { response, sent } = open();
    response.writeHead(200, events);
    const notice = '{"jsonrpc":"2.0","method":"notifications/message","params":{}}';
    const text = `:\n\nid: 1\ndata:\n\ndata: ${notice}\r\n\r\nevent: message\rdata: ${answer}\r\rdata: no json\n\n`;
    for (const byte of Buffer.from(text)) response.write(Buffer.of(byte));
    response.end();
    expect(sent).toEqual([notice, answer]);
  });

  test('latin1 text of the rooms is bytes again', () => {
    const { response, sent } = open();
    response.writeHead(200, json);
    response.end(Buffer.from(answer).toString('latin1'), 'latin1');
    expect(sent).toEqual([answer]);
  });

  test('whoever asked hears of an answer that is not one', () => {
    for (const act of [
      (response: VirtualResponse) => response.destroy(),
      (response: VirtualResponse) => response.end(),
      (response: VirtualResponse) => response.end('<html>'),
      (response: VirtualResponse) => response.end('{"error":"plain"}'),
    ]) {
      const { response, messages } = open();
      response.writeHead(502, json);
      act(response);
      expect(messages()).toEqual([broken]);
    }
    const { response, messages } = open();
    response.writeHead(200, events);
    response.write(Buffer.from('data: {"jsonrpc":"2.0","id":"other","result":{}}\n\n'));
    response.end();
    expect(messages().at(-1)).toEqual(broken);
  });

  test('a refusal from before the message was read gets its id, and the time to wait', () => {
    const { response, messages } = open();
    response.writeHead(429, { ...json, 'Retry-After': 7 });
    response.end('{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Rate limit exceeded"}}');
    const error = { code: -32000, message: 'Rate limit exceeded', data: { retryAfterSeconds: 7 } };
    expect(messages()).toEqual([{ jsonrpc: '2.0', id: 'a-1', error }]);
  });

  test('what is no request is answered by nothing, what is no message by an error without id', () => {
    const parseError = '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}';
    for (const [message, expected] of [
      [asked({ jsonrpc: '2.0', method: 'notifications/cancelled' }), []],
      [asked({ jsonrpc: '2.0', id: 1, result: {} }), []],
      [undefined, [JSON.parse(parseError)]],
    ] as const) {
      const { response, messages } = open({ message });
      response.writeHead(400, json);
      response.end(parseError);
      expect(messages()).toEqual(expected);
    }
  });

  test('nothing is said once it was given up, and the rooms hear that nobody listens', () => {
    const { response, sent, over } = open();
    let closed = 0;
    response.on('close', () => closed++);
    response.writeHead(200, events);
    response.abort();
    response.abort();
    response.write(Buffer.from(`data: ${answer}\n\n`));
    response.end();
    expect(sent).toEqual([]);
    expect(closed).toBe(1);
    expect(response.socket).toBeNull();
    expect(over()).toBe(false);
  });

  test('a reader who lags behind stops the writer until it has caught up', () => {
    const { response, sent, flush } = open();
    const params = { data: 'x'.repeat(100_000) };
    const notice = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params })}\n\n`;
    let drained = 0;
    response.on('drain', () => drained++);
    response.writeHead(200, events);
    while (response.write(Buffer.from(notice)));
    expect(sent.length).toBeLessThan(5);
    expect(response.writableNeedDrain).toBe(true);
    expect(drained).toBe(0);
    flush();
    expect(drained).toBe(1);
    expect(response.write(Buffer.from(notice))).toBe(true);
  });

  test('answers that must be held whole share one budget, and give back what they held', () => {
    const { response, messages } = open();
    const room = new Outbox(() => undefined);
    const one = new VirtualResponse({ outlet: room, message: request, onOver: () => undefined });
    one.writeHead(200, json);
    one.write(Buffer.alloc(20_000_000, 32));
    expect(room.hold(20_000_000)).toBe(false);
    one.destroy();
    expect(room.hold(20_000_000)).toBe(true);
    response.writeHead(200, json);
    response.write(Buffer.alloc(40_000_000, 32));
    expect(messages()).toEqual([broken]);
    expect(response.destroyed).toBe(true);
  });

  test('an event without end is given up, not collected for ever', () => {
    const { response, messages } = open();
    response.writeHead(200, events);
    for (let i = 0; i < 6 && !response.destroyed; i++) response.write(Buffer.from(`data: ${'x'.repeat(1_000_000)}`));
    expect(response.destroyed).toBe(true);
    expect(messages()).toEqual([broken]);
  });
});

test('a request of a channel is read like one of a connection', async () => {
  const read = (body: string, limit: number) => {
    const socket = { remoteAddress: '127.0.0.1', destroy: () => undefined };
    const virtual = new VirtualRequest({
      method: 'POST',
      url: '/mcp',
      rawHeaders: [],
      socket,
      body: Buffer.from(body),
    });
    return new Promise<unknown>((resolve) => {
      readBody(virtual, limit, { done: (bytes) => resolve(bytes.toString()), fail: ({ code }) => resolve(code) });
    });
  };
  expect(await read('{}', 10)).toBe('{}');
  expect(await read('', 10)).toBe('');
  expect(await read('x'.repeat(11), 10)).toBe('too_large');
});
