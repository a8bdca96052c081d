/**
 * Servers that run in containers. One that speaks over stdin and stdout is a stdio server whose process is a container;
 * one that listens is an HTTP server that is started when somebody calls it.
 */
import { openStdioUpstream, type StdioOptions } from '#adapters/upstream/stdio/stdio.ts';
import type { Upstream, UpstreamDeps, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import { asOrgId } from '#core/ids.ts';
import type { ContainerTransport } from '#core/transport.ts';
import type { Containers } from './containers.ts';
import { openListeningUpstream } from './listening.ts';

export interface ContainerDeps extends UpstreamDeps {
  readonly containers: Containers;
  /** The upstream of a container that listens. */
  readonly openUpstream: (kind: 'http' | 'sse', url: string) => Upstream;
  readonly options?: Partial<StdioOptions>;
}

export type ContainerTarget = UpstreamTarget & { readonly transport: ContainerTransport };

export function openContainerUpstream(target: ContainerTarget, deps: ContainerDeps): Upstream {
  const { transport, id: server, key } = target;
  if (transport.speaks !== 'stdio') return openListeningUpstream(target, deps);
  const { containers } = deps;
  const { image, args, env, credentialEnv, state } = transport;
  return openStdioUpstream(
    {
      ...target,
      transport: {
        kind: 'stdio',
        command: image,
        args,
        env,
        state,
        ...(credentialEnv !== undefined && { credentialEnv }),
      },
    },
    {
      ...deps,
      runner: {
        ready: () => Promise.resolve(),
        spawn: ({ env: complete, owner, idle }, events) =>
          containers.spawn({ server, key, org: asOrgId(owner), transport, env: complete, owner, idle }, events),
        makeRoom: (owner) => containers.makeRoom(owner),
      },
    },
  );
}
