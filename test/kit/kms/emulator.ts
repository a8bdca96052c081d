/**
 * What the emulators of key-management services share: versions of one key with AES-256-GCM behind each, faults on demand,
 * and everything they were sent. They know the services' wire format, never our code.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { listenOnLoopback } from '#kit/listen.ts';

export interface KmsRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface KmsAnswer {
  readonly status: number;
  readonly body: string | object;
}

export interface KmsEmulator {
  readonly url: string;
  readonly requests: readonly KmsRequest[];
  /** The next requests are answered like this instead. */
  fail(times: number, answer: KmsAnswer | 'hang up'): void;
  /** Operations with the key are refused from now on. */
  disabled: boolean;
  /** Nobody answers from now on. */
  away: boolean;
  close(): Promise<void>;
}

export type KmsScript = (request: KmsRequest, emulator: KmsEmulator) => KmsAnswer | Promise<KmsAnswer>;

export async function startEmulator(script: KmsScript): Promise<KmsEmulator> {
  const requests: KmsRequest[] = [];
  const faults: (KmsAnswer | 'hang up')[] = [];
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    const { method = '', url: path = '', headers } = req;
    const request = { method, path, headers, text: Buffer.concat(chunks).toString() };
    requests.push(request);
    const fault = faults.shift();
    if (emulator.away || fault === 'hang up') return void res.destroy();
    const { status, body } = fault ?? (await script(request, emulator));
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  const { port, close } = await listenOnLoopback(server);
  const emulator: KmsEmulator = {
    url: `http://127.0.0.1:${port}`,
    requests,
    fail(times, answer) {
      for (let i = 0; i < times; i++) faults.push(answer);
    },
    disabled: false,
    away: false,
    close,
  };
  return emulator;
}

/** Versions of one key; what was encrypted names its version by one byte. */
export function openKeyVersions() {
  const keys = [randomBytes(32)];
  return {
    get latest() {
      return keys.length;
    },
    rotate() {
      keys.push(randomBytes(32));
    },
    encrypt(plain: Buffer, additional: string): Buffer {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', keys[keys.length - 1] ?? '', iv);
      cipher.setAAD(Buffer.from(additional));
      return Buffer.concat([Buffer.from([keys.length]), iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    /** undefined: not of this key, or for another context. */
    decrypt(blob: Buffer, additional: string): Buffer | undefined {
      try {
        const decipher = createDecipheriv('aes-256-gcm', keys[(blob[0] ?? 0) - 1] ?? '', blob.subarray(1, 13));
        decipher.setAAD(Buffer.from(additional));
        decipher.setAuthTag(blob.subarray(-16));
        return Buffer.concat([decipher.update(blob.subarray(13, -16)), decipher.final()]);
      } catch {
        return undefined;
      }
    },
  };
}

/** Of a JSON object with text in it. */
export const fieldsOf = (text: string): Record<string, unknown> => {
  const value: unknown = text === '' ? {} : JSON.parse(text);
  return typeof value === 'object' && value !== null ? { ...value } : {};
};
