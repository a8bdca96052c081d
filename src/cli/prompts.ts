/** Questions on standard error, answers from standard input, a terminal or not: a script may answer line by line. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { Io } from './io.ts';

export interface Prompts {
  /** Asks again until there is an answer. Throws GatehouseError `setting` when the input ends. */
  required(question: string, options?: { readonly hidden?: boolean }): Promise<string>;
  /** Asks again until `parse` takes the answer; undefined for an empty one. */
  optional<T>(question: string, parse: (text: string) => T): Promise<T | undefined>;
  close(): void;
}

export function openPrompts(io: Io): Prompts {
  let muted = false;
  const echo = new Writable({
    write(chunk, _encoding, done) {
      if (!muted) io.err(String(chunk));
      done();
    },
  });
  const lines = createInterface({ input: io.input, output: echo, terminal: io.inIsTerminal });
  const iterator = lines[Symbol.asyncIterator]();

  async function ask(question: string, hidden: boolean): Promise<string> {
    io.err(question);
    muted = hidden && io.inIsTerminal;
    const { value, done } = await iterator.next();
    if (muted) io.err('\n');
    muted = false;
    if (done)
      throw new GatehouseError('setting', {
        message: 'The input ended before all questions were answered: nothing was made',
      });
    return String(value).trim();
  }

  return {
    async required(question, { hidden = false } = {}) {
      for (;;) {
        const answer = await ask(question, hidden);
        if (answer !== '') return answer;
        io.err('This field is required.\n');
      }
    },
    async optional(question, parse) {
      for (;;) {
        const answer = await ask(question, false);
        if (answer === '') return undefined;
        try {
          return parse(answer);
        } catch (thrown) {
          io.err(`${asGatehouseError(thrown).message}\n`);
        }
      }
    },
    close: () => lines.close(),
  };
}
