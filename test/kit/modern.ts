/** Requests of revision 2026-07-28 as a client without any SDK sends them. */
import { type Answer, openStream, send } from './http-client.ts';

export const modernVersion = '2026-07-28';

interface Asking {
  readonly headers?: Readonly<Record<string, string>>;
  readonly capabilities?: object;
  readonly id?: unknown;
}

function messageOf(method: string, params: Record<string, unknown>, { headers, capabilities = {}, id = 1 }: Asking) {
  const name = params.name ?? params.uri;
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': modernVersion,
    'io.modelcontextprotocol/clientCapabilities': capabilities,
  };
  return {
    headers: {
      'mcp-protocol-version': modernVersion,
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
      ...headers,
    },
    body: { jsonrpc: '2.0', id, method, params: { ...params, _meta } },
  };
}

export const sendModern = (
  url: string,
  method: string,
  { params = {}, ...asking }: Asking & { readonly params?: Record<string, unknown> } = {},
): Promise<Answer> => send(url, messageOf(method, params, asking));

export const listenModern = (url: string, notifications: object, asking: Asking = {}) =>
  openStream(url, messageOf('subscriptions/listen', { notifications }, asking));
