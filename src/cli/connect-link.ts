/**
 * A server over streamable HTTP as one stream of messages, of any revision: they pass as they are. Signs in where the
 * server wants it, takes up broken event streams where they broke, and begins the session anew where the server forgot it.
 */
import {
  type JSONRPCMessage,
  SdkHttpError,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import type { SignIn } from './connect-sign-in.ts';

export interface Link {
  /** Resolves when the server has it; its answer comes by `onMessage`. Rejects with what was wrong. */
  send(message: JsonObject): Promise<void>;
  /** The session ends at the server, too. */
  close(): Promise<void>;
}

export interface LinkOptions {
  readonly url: URL;
  readonly signIn: SignIn;
  readonly fetch: typeof globalThis.fetch;
  readonly onMessage: (message: JsonObject) => void;
  readonly onError: (error: Error) => void;
}

const END_MS = 3000;

export function openLink({ url, signIn, fetch, onMessage, onError }: LinkOptions): Link {
  /** The client's own, for a session that has to begin anew. */
  let hello: JsonObject | undefined;
  let swallowed: unknown;
  let transport = open();
  let signingIn: Promise<void> | undefined;
  let renewing: Promise<void> | undefined;

  function open(): StreamableHTTPClientTransport {
    const made = new StreamableHTTPClientTransport(url, { authProvider: signIn.provider, fetch });
    made.onmessage = (received) => {
      const message = received as unknown as JsonObject;
      const { result, id } = message;
      if (hello && id === hello.id && isJsonObject(result) && typeof result.protocolVersion === 'string') {
        made.setProtocolVersion(result.protocolVersion);
        if (swallowed === id) {
          swallowed = undefined;
          return;
        }
      }
      onMessage(message);
    };
    made.onerror = onError;
    return made;
  }

  const started = transport.start();
  const deliver = (message: JsonObject) => transport.send(message as unknown as JSONRPCMessage);

  /** One at a time, whoever was refused. */
  function finishSignIn(): Promise<void> {
    signingIn ??= signIn
      .answer()
      .then((answer) => transport.finishAuth(answer))
      .finally(() => {
        signingIn = undefined;
      });
    return signingIn;
  }

  function renew(): Promise<void> {
    renewing ??= (async () => {
      const before = transport;
      transport = open();
      await transport.start();
      await before.close();
      if (!hello) return;
      swallowed = hello.id;
      await deliver(hello);
      await deliver({ jsonrpc: '2.0', method: 'notifications/initialized' });
    })().finally(() => {
      renewing = undefined;
    });
    return renewing;
  }

  async function attempt(message: JsonObject): Promise<void> {
    try {
      await deliver(message);
    } catch (thrown) {
      if (!(thrown instanceof UnauthorizedError)) throw thrown;
      await finishSignIn();
      await deliver(message);
    }
  }

  return {
    async send(message) {
      await started;
      if (message.method === 'initialize') hello = message;
      try {
        await attempt(message);
      } catch (thrown) {
        // The server did nothing with it: it knows no such session.
        const isForgotten =
          thrown instanceof SdkHttpError && thrown.status === 404 && transport.sessionId !== undefined;
        if (!isForgotten || message.method === 'initialize') throw thrown;
        await renew();
        await attempt(message);
      }
    },
    async close() {
      const over = new Promise<void>((resolve) => setTimeout(resolve, END_MS).unref());
      await Promise.race([transport.terminateSession().catch(() => undefined), over]);
      await transport.close();
      signIn.close();
    },
  };
}
