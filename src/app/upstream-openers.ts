/** How a server definition becomes an open upstream: the transport's kind picks the adapter. */
import { readFileSync } from 'node:fs';
import { buildConnector } from 'undici';
import { openBuiltins, openHttpUpstream, openSseUpstream } from '#adapters/upstream/index.ts';
import type { FindVariables, Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import type { ProgramsHere } from '#admin/run-storage.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { ServerTlsFiles } from '#core/transport.ts';
import type { Db } from '#db/schema.ts';
import type { Egress } from '#http/egress.ts';
import { guardedConnect } from '#http/guarded-connect.ts';
import type { RootLog } from '#http/log.ts';
import { proxiedConnect } from '#http/proxied-connect.ts';
import type { Runs } from '#runner/runs.ts';
import type { Closers } from './closers.ts';
import { openContainerEgress } from './container-egress.ts';
import { openContainerOpener } from './container-opener.ts';
import { openHttpOpener } from './http-opener.ts';
import { openApiOpener } from './openapi-opener.ts';
import { openRunOpeners } from './run-openers.ts';

export interface UpstreamOpenerDeps {
  readonly clock: Clock;
  readonly log: RootLog;
  readonly egress: Egress;
  readonly closers: Closers;
  readonly env: NodeJS.ProcessEnv;
  readonly db: Db;
  /** Sealed, of a server's programs. */
  readonly variables: FindVariables;
}

export interface UpstreamOpener {
  readonly openUpstream: (target: UpstreamTarget) => Upstream;
  /** The programs among them that run. */
  readonly runs: Runs;
  readonly programs: ProgramsHere;
}

export async function openUpstreamOpener(config: Config, deps: UpstreamOpenerDeps): Promise<UpstreamOpener> {
  const { clock, log, egress, closers, env, variables } = deps;
  const { openRun, runs, status } = openRunOpeners(config, {
    clock,
    log,
    egress,
    closers,
    env,
    variables,
  });
  const builtins = await openBuiltins({ clock, log, fetch: egress.fetch, options: echoOptions(config) });
  const { upstream, timeouts } = config.limits;
  const http = {
    connections: upstream.sockets,
    queue: upstream.queuedCalls,
    connectTimeoutMs: timeouts.connectMs,
  };
  const waiting = { dnsMs: timeouts.dnsMs, connectMs: timeouts.connectMs, tlsMs: timeouts.tlsMs };
  const openHttp = openHttpOpener(config, { clock, log });
  const { guard, proxyFor } = egress;
  const direct = guardedConnect({ guard, timeouts: waiting });
  const connect = proxiedConnect({ proxyFor, guard, direct, timeouts: waiting });
  const openApi = openApiOpener(deps.db);
  const ways = openContainerEgress({ clock, egress, log });
  const containers = openContainerOpener(config, {
    ...{ clock, log, env, runs, http },
    ...{ findVariables: variables, egressSocket: ways.socket },
  });
  closers.add('containers', async () => {
    await containers.close();
    ways.close();
  });
  const openUpstream = (target: UpstreamTarget): Upstream => {
    const { transport } = target;
    // The platform's own servers are the operator's word; what an organization enters must not reach the inside.
    const tls = 'tls' in transport && transport.tls ? readTls(transport.tls) : undefined;
    const options = { timeout: timeouts.connectMs, allowH2: false, ...tls };
    const open = () =>
      proxiedConnect({ proxyFor, direct: buildConnector(options), timeouts: waiting, tls: { ...tls } });
    const guarded = { connect: target.org === undefined ? open() : connect };
    const openSse = (url: string) =>
      openSseUpstream({ ...http, transport: { kind: 'sse', url }, clock, log, ...guarded });
    if (transport.kind === 'sse') return openSse(transport.url);
    if (transport.kind === 'openapi') return openApi(target, transport, { ...http, ...guarded });
    if (transport.kind === 'http') return openHttp({ target, transport, http: { ...http, ...guarded }, openSse });
    if (transport.kind === 'builtin') {
      const { url, socketPath } = builtins.addressOf(transport.name);
      return openHttpUpstream({ ...http, transport: { kind: 'http', url }, socketPath });
    }
    if (transport.kind === 'container') return containers.open({ ...target, transport });
    return openRun({ ...target, transport });
  };
  const programs = {
    status: () => ({ ...status(), containers: containers.status() }),
    pullImage: containers.pullImage,
  };
  return { openUpstream, runs, programs };
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
