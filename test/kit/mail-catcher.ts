/** A mail server that keeps what it is sent (RFC 5321, as much of it as a client needs). */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

export interface CaughtMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body, as they came. */
  readonly text: string;
}

export interface MailCatcher {
  readonly port: number;
  readonly mails: readonly CaughtMail[];
  close(): Promise<void>;
}

export async function openMailCatcher(): Promise<MailCatcher> {
  const mails: CaughtMail[] = [];
  const server = createServer((socket) => {
    let [rest, from, to, data] = ['', '', [] as string[], undefined as string[] | undefined];
    const say = (line: string) => socket.write(`${line}\r\n`);
    const take = (line: string) => {
      if (data) {
        if (line !== '.') return void data.push(line.replace(/^\./, ''));
        mails.push({ from, to, text: data.join('\n') });
        [data, to] = [undefined, []];
        return void say('250 kept');
      }
      const [verb = ''] = line.toUpperCase().split(/[ :]/);
      const address = /<([^>]*)>/.exec(line)?.[1] ?? '';
      if (verb === 'MAIL') from = address;
      if (verb === 'RCPT') to.push(address);
      if (verb === 'DATA') data = [];
      say(verb === 'DATA' ? '354 go on' : verb === 'QUIT' ? '221 bye' : '250 fine');
    };
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      const lines = (rest + chunk.toString()).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) take(line);
    });
    say('220 catcher');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    mails,
    async close() {
      server.close();
    },
  };
}
