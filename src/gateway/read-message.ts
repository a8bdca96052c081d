/** The message of a call: read once the caller is known, parsed and classified once. */
import { GatehouseError } from '#core/error.ts';
import { readBody } from '#http/body.ts';
import { classifyMessage } from '#mcp/classify.ts';
import type { JsonLimits } from '#mcp/json-scan.ts';
import { parseMessage } from '#mcp/message.ts';
import type { Received } from './call.ts';
import type { Onwards } from './identify-call.ts';

export interface ReadOptions {
  readonly json: JsonLimits;
  readonly maxBodyBytes: number;
}

/** Throws or fails with `method_not_allowed`, `too_large`, and what parsing and classifying throw. */
export function readMessage(call: Received, options: ReadOptions, { next, fail }: Onwards<void>): void {
  if (call.req.method !== 'POST') {
    // Some clients ask this way whether they have to sign in: strangers hear so, and nobody else gets anything by it.
    if (call.req.method === 'HEAD') throw new GatehouseError('method_not_allowed');
    if (call.headers.protocolVersion === '2026-07-28') throw new GatehouseError('method_not_allowed');
    next();
    return;
  }
  readBody(call.req, options.maxBodyBytes, {
    fail,
    done: (body) => {
      try {
        call.bytesIn = body.length;
        const facade = call.door?.facade;
        const message = parseMessage(facade ? facade.translate(body) : body, options.json);
        call.message = message;
        if (facade) {
          call.era = 'modern';
          return next();
        }
        const { protocolVersion, mcpMethod: method, mcpName: name } = call.headers;
        call.era = classifyMessage(message, { protocolVersion, method, name });
        next();
      } catch (thrown) {
        fail(thrown);
      }
    },
  });
}
