/** A value that no log, error or JSON can print. */
import { inspect } from 'node:util';

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The clear text: call it where it leaves the process (an outgoing header, a child's environment), nowhere else. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

/** As it is, in JSON, base64, URL-encoded. None of a value so short that it stands anywhere. */
function spellingsOf(secret: Secret): readonly string[] {
  const value = secret.reveal();
  if (value.length < 8) return [];
  const quoted = JSON.stringify(value).slice(1, -1);
  return [
    ...[value, quoted, quoted.replaceAll('/', '\\/')],
    ...[Buffer.from(value).toString('base64'), Buffer.from(value).toString('base64url')],
    encodeURIComponent(value),
  ];
}

/** `text` with every spelling of the secret replaced. */
export function redactText(text: string, secret: Secret): string {
  return spellingsOf(secret).reduce((all, spelling) => all.replaceAll(spelling, '[redacted]'), text);
}

/** As `redactText`. The same buffer when there is none. */
export function redactSecret(body: Buffer, secret: Secret): Buffer {
  const spellings = spellingsOf(secret);
  if (!spellings.some((spelling) => body.includes(spelling))) return body;
  let text = body.toString('latin1');
  for (const spelling of spellings) text = text.replaceAll(Buffer.from(spelling).toString('latin1'), '[redacted]');
  return Buffer.from(text, 'latin1');
}
