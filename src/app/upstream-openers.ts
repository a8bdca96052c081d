/** How a server definition becomes an open upstream: the transport's kind picks the adapter. */
import { readFileSync } from 'node:fs';
import {
  openBuiltins,
  openHttpUpstream,
  openSseFallback,
  openSseUpstream,
  openStdioUpstream,
} from '#adapters/upstream/index.ts';
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { ServerTlsFiles } from '#core/transport.ts';
import type { Egress } from '#http/egress.ts';
import { guardedConnect } from '#http/guarded-connect.ts';
import type { RootLog } from '#http/log.ts';
import { openRunner } from '#runner/runner.ts';
import type { Closers } from './closers.ts';

export interface UpstreamOpenerDeps {
  readonly clock: Clock;
  readonly log: RootLog;
  readonly egress: Egress;
  readonly closers: Closers;
  readonly env: NodeJS.ProcessEnv;
}

export async function openUpstreamOpener(
  config: Config,
  deps: UpstreamOpenerDeps,
): Promise<(target: UpstreamTarget) => Upstream> {
  const { clock, log, egress, closers } = deps;
  const runner = openRunner({ clock, log, env: deps.env });
  closers.add('runner', () => runner.close());
  const builtins = await openBuiltins({ clock, log, fetch: egress.fetch, options: echoOptions(config) });
  closers.add('builtin servers', () => builtins.close());
  const { upstream, timeouts } = config.limits;
  const http = {
    connections: upstream.sockets,
    queue: upstream.queuedCalls,
    connectTimeoutMs: timeouts.connectMs,
  };
  const waiting = { dnsMs: timeouts.dnsMs, connectMs: timeouts.connectMs, tlsMs: timeouts.tlsMs };
  const connect = guardedConnect({ guard: egress.guard, timeouts: waiting });
  return (target) => {
    const { transport } = target;
    // The platform's own servers are the operator's word; what an organization enters must not reach the inside.
    const tls = 'tls' in transport && transport.tls ? readTls(transport.tls) : undefined;
    const open = tls && { connect: { timeout: timeouts.connectMs, ...tls } };
    const guarded = target.org === undefined ? (open ?? {}) : { connect };
    const openSse = (url: string) =>
      openSseUpstream({ ...http, transport: { kind: 'sse', url }, clock, log, ...guarded });
    if (transport.kind === 'sse') return openSse(transport.url);
    if (transport.kind === 'http') {
      const given = openHttpUpstream({ ...http, transport, ...guarded });
      return openSseFallback({ http: given, openSse: () => openSse(transport.url), label: target.key, clock, log });
    }
    if (transport.kind === 'builtin') {
      const { url, socketPath } = builtins.addressOf(transport.name);
      return openHttpUpstream({ ...http, transport: { kind: 'http', url }, socketPath });
    }
    if (transport.kind !== 'stdio') throw new GatehouseError('upstream_unreachable');
    if (config.runner.sandbox === 'auto' && !config.demo) {
      throw new GatehouseError('upstream_unreachable', {
        cause: new Error(
          'stdio servers need a sandbox outside the demo: set runner.sandbox to none to run them without one',
        ),
      });
    }
    log.warn({ server: target.key }, 'a stdio server runs without a sandbox, with the rights of the gateway');
    return openStdioUpstream({ ...target, transport }, { clock, log, runner, options: stdioOptions(config) });
  };
}

/** Throws GatehouseError `upstream_unreachable`: never without what the operator asked for. */
function readTls({ caFile, certFile, keyFile }: ServerTlsFiles) {
  try {
    return {
      ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }),
      ...(certFile !== undefined && { cert: readFileSync(certFile, 'utf8') }),
      ...(keyFile !== undefined && { key: readFileSync(keyFile, 'utf8') }),
    };
  } catch (cause) {
    throw new GatehouseError('upstream_unreachable', { cause });
  }
}

const echoOptions = ({ echo: { sessionMs, debug } }: Config) => ({
  ...(sessionMs !== undefined && { sessionTtlMs: sessionMs }),
  logEchoes: debug,
});

function stdioOptions({ runner }: Config) {
  return { startMs: runner.startMs, idleMs: runner.idleMs, maxLifeMs: runner.lifeMs };
}
