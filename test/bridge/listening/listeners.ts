/** Official SDK clients of both eras that write down what they hear unasked. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { Era } from './talkers.ts';

export interface Heard {
  readonly method: string;
  readonly params: Record<string, unknown>;
}

export interface Listener {
  readonly client: Client;
  readonly heard: Heard[];
  /** Methods of what was heard, in order, without what `warm` heard. */
  methods(): readonly string[];
  uris(): readonly unknown[];
  close(): Promise<void>;
}

const told = [
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
  'notifications/message',
] as const;

export async function connect(
  era: Era,
  { url, key, capabilities = {} }: { readonly url: string; readonly key: string; readonly capabilities?: object },
): Promise<Listener> {
  const client = new Client(
    { name: 'listener', version: '1' },
    { capabilities, versionNegotiation: { mode: era === 'modern' ? { pin: '2026-07-28' } : 'legacy' } },
  );
  const heard: Heard[] = [];
  for (const method of told)
    client.setNotificationHandler(method, (notification) => {
      heard.push({ method, params: { ...notification.params } });
    });
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit });
  await client.connect(transport);
  return {
    client,
    heard,
    methods: () => heard.map(({ method }) => method),
    uris: () => heard.filter(({ method }) => method.endsWith('updated')).map(({ params }) => params.uri),
    async close() {
      if (era === 'legacy') await transport.terminateSession().catch(() => undefined);
      await client.close();
    },
  };
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export const meta = (more: object = {}) => ({
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
  ...more,
});
export const listenBody = (id: unknown, notifications: object) => ({
  jsonrpc: '2.0',
  id,
  method: 'subscriptions/listen',
  params: { notifications, _meta: meta() },
});
export const subscriptionId = 'io.modelcontextprotocol/subscriptionId';
