/** What of the host no definition may show to a program: what the operator writes must not open the fence by mistake. */
import { realpathSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { GatehouseError } from '#core/error.ts';
import type { ChildSpec } from '#runner/runner.ts';
import { isInside } from './program-files.ts';

export interface KeptPlaces {
  /** Folders that no program may see by way of where its own file lies. */
  readonly secret: readonly string[];
  /** The gateway's data, absolute. */
  readonly dataDir: string;
}

/** The kernel's own, and where whoever reaches it commands the machine: container engines. */
const machine = [
  ...['/proc', '/sys', '/dev', '/run/docker.sock', '/run/podman', '/run/containerd', '/run/systemd', '/run/dbus'],
  ...['/var/lib/docker', '/var/lib/containers', '/var/lib/containerd', '/var/lib/kubelet'],
];

/** Of the gateway's data, programs and what they keep; each is shown its own alone. */
const PROGRAMS = 'servers';

/** `cwd`: absolute. Links count as what they lead to. Throws GatehouseError `bad_request`. */
export function checkPaths(
  { cwd, permission, volumes = [] }: Pick<ChildSpec, 'cwd' | 'permission' | 'volumes'>,
  { secret, dataDir }: KeptPlaces,
): void {
  const given = [...(permission?.read ?? []), ...(permission?.write ?? []), ...volumes.map(({ source }) => source)];
  const targets = volumes.map(({ target }) => target);
  // Bubblewrap reads its words from a list that NUL separates.
  const isBroken = [cwd ?? '/x', ...given, ...targets].some((path) => path.includes('\0') || !isAbsolute(path));
  if (isBroken) refuse('A path is not absolute, or has a NUL byte');
  const data = [...new Set([dataDir, realPath(dataDir)])];
  const holdsData = (path: string) =>
    data.some((folder) => isNear(path, folder) && !isInside(path, join(folder, PROGRAMS)));
  const shown = given.flatMap((path) => [resolve(path), realPath(path)]);
  if (shown.some(holdsData)) refuse("A path holds the gateway's own data");
  if (shown.some((path) => machine.some((place) => isNear(path, place)))) refuse('A path holds the machine itself');
  const homes = cwd === undefined ? [] : [cwd, realPath(cwd)];
  if (homes.some((home) => holdsData(home) || secret.some((folder) => isInside(folder, home))))
    refuse('The working folder holds more than a program may see');
}

/** One is in the other. */
const isNear = (path: string, folder: string): boolean => isInside(path, folder) || isInside(folder, path);

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // It isn't there: nothing is shown.
    return resolve(path);
  }
}

function refuse(message: string): never {
  throw new GatehouseError('bad_request', { message });
}
