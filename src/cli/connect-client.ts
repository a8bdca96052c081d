/** How `connect` is registered at the authorization server (RFC 7592). */
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import type { ConnectStore } from './connect-store.ts';
import { type Io, UsageError } from './io.ts';
import { printJson } from './output.ts';

export interface ClientChange {
  /** `name=value`; undefined: only shown. */
  readonly fields: readonly string[] | undefined;
  readonly isEnd: boolean;
}

const described = z.looseObject({ client_id: z.string() });

export async function changeClient(io: Io, store: ConnectStore, { fields, isEnd }: ClientChange): Promise<void> {
  const { registration } = store.read();
  if (!registration) throw new UsageError('This client is not registered here: sign in with --token first');
  const ask = (method: string, body?: object) => request(io, { ...registration, method, body });
  if (isEnd) {
    await ask('DELETE');
    store.forget();
    io.err('The client is no longer registered.\n');
    return;
  }
  let shown = described.parse(await ask('GET'));
  if (fields) {
    const changes = Object.fromEntries(fields.map(parseField));
    const {
      registration_access_token,
      registration_client_uri,
      client_secret_expires_at,
      client_id_issued_at,
      ...own
    } = shown;
    shown = described.parse(await ask('PUT', { ...own, ...changes }));
    keep(store, shown);
  }
  // Secrets stay where they are kept.
  const { client_secret: _secret, registration_access_token: _token, ...open } = shown;
  printJson(io, open);
}

/** A changed registration may come with another token, and another address of its own. */
function keep(store: ConnectStore, { client_id, client_secret, ...rest }: z.output<typeof described>): void {
  store.write({ client: { client_id, ...(client_secret !== undefined && { client_secret }) } });
  const next = registered.safeParse(rest).data;
  if (next) store.write({ registration: { uri: next.registration_client_uri, token: next.registration_access_token } });
}

const registered = z.object({ registration_client_uri: z.url(), registration_access_token: z.string() });

/** The SDK drops what RFC 7592 adds to the answer to a registration: kept here, where it is read anyway. */
export function keepingRegistration(fetch: typeof globalThis.fetch, store: ConnectStore): typeof globalThis.fetch {
  return async (input, init) => {
    const answer = await fetch(input, init);
    if (init?.method !== 'POST' || answer.status !== 201) return answer;
    const { data } = registered.safeParse(
      await answer
        .clone()
        .json()
        .catch(() => undefined),
    );
    const asked = new URL(input instanceof Request ? input.url : input);
    // The token goes to nobody but whoever gave it.
    if (data && new URL(data.registration_client_uri).origin === asked.origin)
      store.write({ registration: { uri: data.registration_client_uri, token: data.registration_access_token } });
    return answer;
  };
}

function parseField(text: string): readonly [string, unknown] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError('--update-client takes name=value, such as client_name=Desk');
  const [name, value] = [text.slice(0, at), text.slice(at + 1)];
  return [name, name.endsWith('_uris') || name === 'contacts' ? value.split(' ') : value];
}

interface Asked {
  readonly uri: string;
  readonly token: string;
  readonly method: string;
  readonly body: object | undefined;
}

async function request(io: Io, { uri, token, method, body }: Asked): Promise<unknown> {
  const answer = await io.fetch(uri, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    body: body === undefined ? null : JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.timeout(30_000),
  });
  if (!answer.ok)
    throw new GatehouseError('upstream_broken', { message: `The authorization server answered ${answer.status}` });
  return method === 'DELETE' ? undefined : answer.json();
}
