/** Passwords of local accounts: argon2id (RFC 9106) with OWASP's parameters, written as a PHC string. */
import { argon2, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { GatehouseError } from './error.ts';

const saltBytes = 16;
const tagBytes = 32;
const cost = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const form = /^\$argon2id\$v=19\$m=(\d{4,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{16,})\$([A-Za-z0-9+/]{32,})$/;

export const minPasswordLength = 12;
export const maxPasswordLength = 256;

/** Some 20 ms of a thread of the pool and 19 MiB: callers limit how often. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const tag = await derive(password, salt, { ...cost, tagLength: tagBytes });
  const text = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${text(salt)}$${text(tag)}`;
}

/** False also for a digest that is none. Constant time in the password. */
export async function checkPassword(password: string, digest: string): Promise<boolean> {
  const [, memory, passes, parallelism, salt = '', tag = ''] = form.exec(digest) ?? [];
  if (memory === undefined) return false;
  const expected = Buffer.from(tag, 'base64');
  const found = await derive(password, Buffer.from(salt, 'base64'), {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    tagLength: expected.length,
  });
  return timingSafeEqual(found, expected);
}

const letters = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';

/** Twenty letters that can't be mistaken for each other: 116 bits. */
export function makePassword(): string {
  return Array.from({ length: 20 }, () => letters[randomInt(letters.length)]).join('');
}

interface Cost {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly tagLength: number;
}

/** At once: the pool's other threads look up names and write files meanwhile. */
const mostAtOnce = 2;
/** Some 0.7 s of work. */
const mostWaiting = 64;
const waiting: (() => void)[] = [];
let running = 0;

/** Throws `rate_limited` where too many wait already. */
async function derive(password: string, nonce: Buffer, settings: Cost): Promise<Buffer> {
  if (running >= mostAtOnce) {
    if (waiting.length >= mostWaiting) throw new GatehouseError('rate_limited', { retryAfterSeconds: 1 });
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else running++;
  try {
    return await new Promise((resolve, reject) => {
      const message = Buffer.from(password.normalize('NFKC'));
      argon2('argon2id', { message, nonce, ...settings }, (error, tag) => (error ? reject(error) : resolve(tag)));
    });
  } finally {
    // Whoever waits longest takes this place.
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}
