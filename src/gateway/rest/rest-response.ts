/** What the rooms write, as the façade says it: the answer that was made beside it, or a refusal that is in its words already. */
import { isJsonObject, objectIn, parseJson, stringIn } from '#core/json.ts';
import type { ClientResponse } from '#http/exchange.ts';
import type { Said } from './answers.ts';

export class RestResponse implements ClientResponse {
  readonly #response: ClientResponse;
  readonly #findSaid: () => Said | undefined;
  readonly #chunks: Buffer[] = [];
  #head: { readonly status: number; readonly headers: Readonly<Record<string, string | number>> } | undefined;

  constructor(response: ClientResponse, findSaid: () => Said | undefined) {
    this.#response = response;
    this.#findSaid = findSaid;
  }

  get headersSent(): boolean {
    return this.#head !== undefined || this.#response.headersSent;
  }

  get destroyed(): boolean {
    return this.#response.destroyed;
  }

  get writableNeedDrain(): boolean {
    return false;
  }

  get socket(): ClientResponse['socket'] {
    return this.#response.socket;
  }

  setHeader(name: string, value: string): void {
    this.#response.setHeader(name, value);
  }

  writeHead(status: number, headers: Readonly<Record<string, string | number>>): void {
    this.#head = { status, headers };
  }

  flushHeaders(): void {
    // Answers are of one piece.
  }

  write(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    return true;
  }

  end(chunk?: string | Buffer, encoding?: BufferEncoding): void {
    if (chunk !== undefined) this.write(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
    const { status, headers } = this.#head ?? { status: 500, headers: {} };
    const said = this.#findSaid();
    const own = said && status === 200 ? said : fromRooms(status, Buffer.concat(this.#chunks).toString('utf8'));
    const body = Buffer.from(own.text);
    const kept = Object.entries(headers).filter(([name]) => !/^content-(?:length|type)$/i.test(name));
    this.#response.writeHead(own.status, {
      ...Object.fromEntries(kept),
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': body.length,
    });
    this.#response.end(body);
  }

  destroy(): void {
    this.#response.destroy();
  }

  on(event: 'drain' | 'close', listener: () => void): void {
    this.#response.on(event, listener);
  }
}

/** A JSON-RPC error that nobody translated is one of the rooms' own. */
function fromRooms(status: number, text: string): Said {
  let message: unknown;
  try {
    message = parseJson(text);
  } catch {
    message = undefined;
  }
  if (!isJsonObject(message) || message.jsonrpc !== '2.0') return { status, text };
  const detail = stringIn(objectIn(message, 'error'), 'message') ?? 'Internal server error';
  return { status: status < 400 ? 500 : status, text: JSON.stringify({ detail }) };
}
