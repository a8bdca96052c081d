/** Servers over HTTP: at one address nothing stands in between; at several a balance chooses. */
import { openBalances, openHttpUpstream, openSseFallback } from '#adapters/upstream/index.ts';
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { HttpTransport } from '#core/transport.ts';

type HttpOptions = Omit<Parameters<typeof openHttpUpstream>[0], 'transport'>;

export interface HttpOpening {
  readonly target: UpstreamTarget;
  readonly transport: HttpTransport;
  readonly http: HttpOptions;
  readonly openSse: (url: string) => Upstream;
}

export type HttpOpener = (opening: HttpOpening) => Upstream;

export function openHttpOpener(
  { limits }: Config,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): HttpOpener {
  const balances = openBalances({ settings: limits.breaker, clock, log });
  return ({ target, transport, http, openSse }) => {
    const openOne = (url: string) =>
      openSseFallback({
        http: openHttpUpstream({ ...http, transport: { ...transport, url } }),
        openSse: () => openSse(url),
        label: target.key,
        clock,
        log,
      });
    const urls = [transport.url, ...(transport.urls ?? [])];
    // What decides how it is reached beside the address: connections of two of them are never shared.
    const line = JSON.stringify([target.id, target.route, target.org, transport.tls]);
    // Sessions of a server that had several addresses a moment ago may be at the others still.
    if (urls.length === 1 && !balances.knows(line)) return openOne(transport.url);
    return balances.open({ line, label: target.key, urls, open: openOne });
  };
}
