/** Which paths of the host a container may see. Some would be the host itself: those are refused whoever asks. */
import { realpathSync } from 'node:fs';
import { isAbsolute, normalize, relative } from 'node:path';
import { GatehouseError } from '#core/error.ts';
import type { ContainerTransport } from '#core/transport.ts';

export interface Bind {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** The host's own, and where engines keep their sockets and everybody's containers. */
const refusedSources = [
  ...['/etc', '/proc', '/sys', '/dev', '/boot', '/run', '/var/run'],
  ...['/var/lib/docker', '/var/lib/containers', '/var/lib/kubelet'],
];

const refusedTargets = ['/proc', '/sys', '/dev', '/run/gatehouse'];

/** Engines take mounts apart at these, or print them. */
const unsafe = /[,:"'\\\u0000-\u001f\u007f]/;

/**
 * `refused`: further paths of the host (the data directory, the engine's socket).
 * Throws GatehouseError `bad_request`, also for what isn't there.
 */
export function bindsOf(transport: ContainerTransport, refused: readonly string[]): readonly Bind[] {
  const { permission, volumes = [] } = transport;
  const same = (paths: readonly string[] | undefined, readOnly: boolean) =>
    (paths ?? []).map((path) => ({ source: path, target: path, readOnly }));
  const binds = [...volumes, ...same(permission?.read, true), ...same(permission?.write, false)];
  return binds.map(({ source, target, readOnly }) => {
    checkPath(source);
    checkPath(target);
    const real = resolve(source);
    checkSource(source, real, refused);
    if (target === '/' || refusedTargets.some((path) => isWithin(target, path))) refuse(target, 'is not to be covered');
    return { source: real, target, readOnly };
  });
}

function checkPath(path: string): void {
  if (!isAbsolute(path) || normalize(path) !== path || path.includes('//'))
    refuse(path, 'is not an absolute, plain path');
  if (unsafe.test(path)) refuse(path, 'has characters that engines take apart');
}

function checkSource(source: string, real: string, refused: readonly string[]): void {
  checkPath(real);
  for (const forbidden of [...refusedSources, ...refused]) {
    const isNear = [source, real].some((path) =>
      [forbidden, resolveIfThere(forbidden)].some((other) => isWithin(path, other) || isWithin(other, path)),
    );
    if (isNear) refuse(source, `is, holds or lies in ${forbidden}`);
  }
}

function resolve(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return refuse(path, 'is not there');
  }
}

function resolveIfThere(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** `path` is `folder` or lies in it. */
function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || !(way === '..' || way.startsWith('../') || isAbsolute(way));
}

function refuse(path: string, why: string): never {
  throw new GatehouseError('bad_request', {
    message: `${JSON.stringify(path.slice(0, 200))} cannot be a volume: it ${why}`,
  });
}
