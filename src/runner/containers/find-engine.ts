/** Which container engine there is: the operator's word, the variables both engines know, then the usual sockets. */
import { statSync } from 'node:fs';
import type { Engine } from './engine.ts';
import { openEngine } from './engine.ts';
import { type EngineAddress, EngineError } from './engine-http.ts';

export interface FindEngineOptions {
  /** `auto`, `none`, a path of a socket, `unix://…`, or `tcp://` on loopback. */
  readonly setting: string;
  readonly env: NodeJS.ProcessEnv;
  /** Sockets to look for instead of the usual ones. */
  readonly usual?: readonly string[];
  readonly timeoutMs?: number;
}

const hint =
  'Start Podman (systemctl --user start podman.socket) or Docker, or say in runner.engine where its socket is.';

/** Throws EngineError, whose message says what to do. */
export async function findEngine(options: FindEngineOptions): Promise<Engine> {
  const { setting, env, timeoutMs } = options;
  const open = (address: EngineAddress) => openEngine(address, timeoutMs === undefined ? {} : { timeoutMs });
  if (setting === 'none') throw new EngineError('containers are off: runner.engine is none');
  const named = setting === 'auto' ? (env.CONTAINER_HOST ?? env.DOCKER_HOST) : setting;
  if (named !== undefined && named !== '') return open(parseEngineAddress(named));
  const failures: unknown[] = [];
  for (const socketPath of (options.usual ?? usualSockets(env)).filter(isSocket)) {
    try {
      return await open({ origin: 'http://localhost', socketPath });
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  const found =
    failures.length > 0 ? 'no container engine answers at the usual sockets' : 'there is no container engine here';
  throw new EngineError(`${found}. ${hint}`, { cause: failures[0] });
}

const usualSockets = (env: NodeJS.ProcessEnv): readonly string[] => [
  '/run/podman/podman.sock',
  ...(env.XDG_RUNTIME_DIR ? [`${env.XDG_RUNTIME_DIR}/podman/podman.sock`] : []),
  '/var/run/docker.sock',
  ...(env.XDG_RUNTIME_DIR ? [`${env.XDG_RUNTIME_DIR}/docker.sock`] : []),
];

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}

/** Throws EngineError for what isn't a socket or loopback: the engine's port is root's on its machine. */
export function parseEngineAddress(text: string): EngineAddress {
  if (text.startsWith('/')) return { origin: 'http://localhost', socketPath: text };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'unix:' && url.host === '' && url.pathname.length > 1) {
    return { origin: 'http://localhost', socketPath: decodeURIComponent(url.pathname) };
  }
  const isLoopback = url !== undefined && /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (isLoopback && /^(?:tcp|http):$/.test(url.protocol) && url.port !== '') {
    return { origin: `http://${url.hostname}:${url.port}` };
  }
  throw new EngineError(
    `${JSON.stringify(text.slice(0, 100))} is no address of a container engine: unix:///path, or tcp:// on loopback`,
  );
}
