import { GatehouseError } from '#core/error.ts';

/** The whole body, refused as soon as it passes `maxBytes`. Throws `upstream_broken`, and what the stream throws. */
export async function readBytes(response: Response, maxBytes: number): Promise<Buffer> {
  const declared = Number(response.headers.get('content-length') ?? 0);
  if (declared > maxBytes) {
    await discard(response);
    throw tooLarge(maxBytes);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** The body as JSON; whoever calls parses the shape. Throws `upstream_broken`. */
export async function readJson(response: Response, maxBytes: number): Promise<unknown> {
  const bytes = await readBytes(response, maxBytes);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new GatehouseError('upstream_broken', { cause });
  }
}

/** Lets go of a body nobody will read: unread, it would hold its socket until the deadline. */
export async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}

function tooLarge(maxBytes: number): GatehouseError {
  return new GatehouseError('upstream_broken', { cause: new Error(`the answer is larger than ${maxBytes} bytes`) });
}
