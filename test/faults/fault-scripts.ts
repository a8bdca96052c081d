/** What upstream servers do wrong (SECURITY R10 to R12), as scripts: in an answer of JSON, and in one of events. */
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { answerMcp, hang, json, type RecordedRequest, rawBytes, type Script } from '#kit/recording-upstream.ts';

export interface FaultScript {
  readonly name: string;
  readonly json: Script;
  /** Undefined: as `json`, it never gets as far as a body. */
  readonly events?: Script;
}

const GIB = 1024 ** 3;
const block = Buffer.alloc(65_536, 'x');
const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
const head = (type: string, more = '') => `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n${more}\r\n`;
const jsonHead = (more = '') => head('application/json', more);
const eventsHead = head('text/event-stream');
const textOf = (request: RecordedRequest, id: unknown = request.rpc.id) =>
  JSON.stringify({ jsonrpc: '2.0', id, result: { content: [] } });
const eventOf = (data: string) => `event: message\ndata: ${data}\n\n`;
const length = (bytes: number) => `Content-Length: ${bytes}\r\n`;

const raw =
  (bytes: (request: RecordedRequest) => string, then: 'end' | 'reset' | 'stay' = 'end'): Script =>
  (request, res) =>
    rawBytes(bytes(request), then)(request, res);

/** Chunks without end, or up to so many bytes, as fast as they are taken. */
const pour =
  (type: string, begin: string, bytes = Number.POSITIVE_INFINITY): Script =>
  async (_request, res) => {
    res.writeHead(200, { 'content-type': type });
    res.write(begin);
    for (let sent = 0; sent < bytes && !res.destroyed; sent += block.length) if (!res.write(block)) await taken(res);
    res.end('"}}');
  };

const taken = (res: ServerResponse) =>
  new Promise<void>((resolve) => {
    const done = () => {
      res.off('drain', done).off('close', done);
      resolve();
    };
    res.on('drain', done).on('close', done);
  });

const drip =
  (bytes: string): Script =>
  (_request, res) => {
    res.socket?.write(bytes);
    const timer = setInterval(() => res.socket?.write(' '), 100);
    res.socket?.on('close', () => clearInterval(timer));
    res.socket?.on('error', () => undefined);
  };

const refusal = (status: number, headers: Record<string, string> = {}): Script =>
  json({ jsonrpc: '2.0', id: null, error: { code: -32000, message: 'not now' } }, status, headers);

const begun = '{"jsonrpc":"2.0","id":1,"result":{"text":"';
const halfEvent = 'event: message\ndata: {"jsonrpc"';

export const faultScripts: readonly FaultScript[] = [
  { name: 'resets the connection', json: rawBytes('', 'reset') },
  { name: 'closes without a word', json: rawBytes('') },
  { name: 'says nothing', json: hang },
  {
    name: 'says nothing after the head',
    json: rawBytes(jsonHead(length(100)), 'stay'),
    events: rawBytes(eventsHead, 'stay'),
  },
  { name: 'drips a byte now and then', json: drip(jsonHead(length(100_000))), events: drip(`${eventsHead}: `) },
  { name: 'sends a status line that is none', json: rawBytes('\x00\xff what\r\n\r\n') },
  {
    name: 'sends JSON that is none',
    json: rawBytes(`${jsonHead(length(8))}{"json":`),
    events: rawBytes(eventsHead + eventOf('{"json":')),
  },
  {
    name: 'sends a page',
    json: (_request, res) => void res.writeHead(200, { 'content-type': 'text/html' }).end('<h1>'),
  },
  {
    name: 'breaks off in the body',
    json: rawBytes(`${jsonHead(length(100))}{"jsonrpc"`),
    events: rawBytes(`${eventsHead}${halfEvent}`, 'reset'),
  },
  {
    name: 'closes its side in the body',
    json: rawBytes(`${jsonHead('Transfer-Encoding: chunked\r\n')}5\r\n{"jso`),
    events: rawBytes(`${head('text/event-stream', 'Transfer-Encoding: chunked\r\n')}5\r\nevent`),
  },
  {
    name: 'says a length that is too short',
    json: raw((request) => `${jsonHead(length(10))}${textOf(request)}`),
  },
  {
    name: 'says a length that is too long',
    json: raw((request) => `${jsonHead(length(10_000))}${textOf(request)}`),
  },
  {
    name: 'answers without end',
    json: pour('application/json', begun),
    events: pour('text/event-stream', 'data: '),
  },
  {
    name: 'answers with 1 GiB',
    json: pour('application/json', begun, GIB),
    events: pour('text/event-stream', 'data: ', GIB),
  },
  {
    name: 'packs 64 MiB into 64 KiB',
    json: (_request, res) =>
      void res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(bomb),
  },
  { name: '429 with Retry-After', json: refusal(429, { 'retry-after': '7' }) },
  { name: '503 with Retry-After', json: refusal(503, { 'retry-after': '7' }) },
  { name: '500', json: refusal(500) },
  {
    name: 'answers another question',
    json: (request, res) => json(textOf(request, 'not-yours'))(request, res),
    events: raw((request) => eventsHead + eventOf(textOf(request, 'not-yours'))),
  },
  {
    name: 'answers twice',
    json: (request, res) => json(textOf(request) + textOf(request))(request, res),
    events: raw((request) => eventsHead + eventOf(textOf(request)).repeat(2)),
  },
];

/** Everything but calls of tools is as it should be. */
export const onlyCalls =
  (script: Script): Script =>
  (request, res) =>
    request.rpc.method === 'tools/call' ? script(request, res) : answerMcp(request, res);
