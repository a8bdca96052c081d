/** A client of 2026-07-28 by hand: for what the official SDK's client takes no notice of, or refuses to see. */
import { z } from 'zod';
import { encodeHeaderValue } from '#mcp/bridge/mirror-headers.ts';

export interface ModernWire {
  /** The result. Throws WireRefusal. */
  request(method: string, params?: Content, capabilities?: Content): Promise<Content>;
}

export type Content = Readonly<Record<string, unknown>>;

export class WireRefusal extends Error {
  readonly status: number;
  readonly code: number;
  readonly data: unknown;
  constructor(status: number, { code, message, data }: { code: number; message: string; data?: unknown }) {
    super(message);
    this.status = status;
    this.code = code;
    this.data = data;
  }
}

const answer = z.object({
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() }).optional(),
});

/** `capabilities`: of requests that say nothing else. */
export function openModernWire(url: string, key: string, declared: Content): ModernWire {
  let count = 0;
  return {
    async request(method, params = {}, capabilities = declared) {
      const meta = {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': capabilities,
        'io.modelcontextprotocol/clientInfo': { name: 'by-hand', version: '1' },
      };
      const name = params.name ?? params.uri ?? params.taskId;
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${key}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': method,
          ...(typeof name === 'string' ? { 'mcp-name': encodeHeaderValue(name) } : {}),
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: ++count, method, params: { ...params, _meta: meta } }),
      });
      const { result, error } = answer.parse(JSON.parse(lastMessage(await response.text())));
      if (error) throw new WireRefusal(response.status, error);
      return result ?? {};
    },
  };
}

/** Of one JSON object, or of a stream of events. */
function lastMessage(text: string): string {
  const lines = text.split('\n').filter((line) => line.startsWith('data: '));
  return lines.at(-1)?.slice('data: '.length) ?? text;
}
