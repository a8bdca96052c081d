/** Speaks enough of Redis' protocol for one client, and answers scripts as a test says: also with nothing, or with rubbish. */
import { createServer, type Socket } from 'node:net';
import { listenOnLoopback } from '#kit/listen.ts';

export interface FakeRedis {
  readonly url: string;
  /** What scripts are answered with, on the wire; undefined: nothing, ever. */
  answer: (words: readonly string[]) => string | undefined;
  /** Commands that came in. */
  readonly asked: readonly (readonly string[])[];
  close(): Promise<void>;
}

export const reply = (...numbers: readonly number[]): string =>
  `*${numbers.length}\r\n${numbers.map((n) => `:${n}\r\n`).join('')}`;

export async function startFakeRedis(): Promise<FakeRedis> {
  const asked: (readonly string[])[] = [];
  const answerTo = (words: readonly string[]): string | undefined => {
    const [name = ''] = words;
    asked.push(words);
    if (/^EVAL/i.test(name)) return self.answer(words);
    if (/^HELLO$/i.test(name)) return '-ERR unknown command\r\n';
    return /^PING$/i.test(name) ? '+PONG\r\n' : '+OK\r\n';
  };
  const server = createServer((socket: Socket) => {
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (let read = readCommand(text); read; read = readCommand(text)) {
        text = text.slice(read.length);
        const answer = answerTo(read.words);
        if (answer !== undefined) socket.write(answer, 'latin1');
      }
    });
  });
  const { port, close } = await listenOnLoopback(server);
  const self: FakeRedis = { url: `redis://127.0.0.1:${port}`, asked, close, answer: () => reply(1, 5, 1000) };
  return self;
}

function readCommand(text: string): { readonly words: readonly string[]; readonly length: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (!head) return undefined;
  let at = head[0].length;
  const words: string[] = [];
  for (let i = 0; i < Number(head[1]); i++) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at));
    if (!size) return undefined;
    at += size[0].length;
    const length = Number(size[1]);
    if (text.length < at + length + 2) return undefined;
    words.push(text.slice(at, at + length));
    at += length + 2;
  }
  return { words, length: at };
}
