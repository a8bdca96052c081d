/** DESIGN's map as data: what kind of file a path is, and which kinds it may import. */

/** One kind per layer member; `port` is an adapter interface, `adapter` what implements it, `index` the registry. */
export type Kind =
  | 'main'
  | 'cli'
  | 'app'
  | 'config'
  | 'oauth'
  | 'gateway'
  | 'admin'
  | 'records'
  | 'mcp'
  | 'runner'
  | 'port'
  | 'adapter'
  | 'index'
  | 'db'
  | 'http'
  | 'core';

const engine: readonly Kind[] = ['db', 'http', 'core'];
const domain: readonly Kind[] = ['records', 'mcp', 'runner', 'port', ...engine];
const rooms: readonly Kind[] = ['oauth', 'gateway', 'admin', ...domain];

/** Kind → kinds it may import besides its own; a registry (`index`) is ruled apart, see mayImportIndex. */
export const allowed: Readonly<Record<Kind, readonly Kind[]>> = {
  main: ['cli', 'app', 'config', ...rooms],
  cli: ['app', 'config', ...rooms],
  app: ['config', 'index', ...rooms],
  config: ['index', ...rooms],
  oauth: domain,
  gateway: domain,
  admin: domain,
  records: ['mcp', 'port', ...engine],
  mcp: ['http', 'core'],
  runner: ['http', 'core'],
  port: ['records', 'mcp', ...engine],
  adapter: ['mcp', 'http', 'core'],
  index: ['core'],
  db: ['core'],
  http: ['core'],
  core: [],
};

const folders: ReadonlySet<string> = new Set<Kind>([
  'cli',
  'config',
  'oauth',
  'gateway',
  'admin',
  'records',
  'mcp',
  'runner',
  'db',
  'http',
  'core',
]);

/** The kind of `src/…`, or undefined where the map has no place for it. */
export function kindOf(path: string): Kind | undefined {
  const [, folder = '', sub, ...deeper] = path.split('/');
  // index.ts is the library's door as main.ts is the command line's.
  if (folder === 'main.ts' || folder === 'index.ts') return 'main';
  if (folder === 'app.ts' || folder === 'app') return 'app';
  if (folder !== 'adapters') return isKind(folder) ? folder : undefined;
  const [file] = deeper;
  if (sub === undefined || file === undefined) return undefined;
  if (deeper.length > 1) return 'adapter';
  if (file === 'index.ts') return 'index';
  return file === `${sub}.ts` ? 'port' : 'adapter';
}

function isKind(folder: string): folder is Kind {
  return folders.has(folder);
}

/** Which adapters folder (`upstream`, `identity` …) a path lies in. */
export const portOf = (path: string): string | undefined => /^src\/adapters\/([^/]+)\//.exec(path)?.[1];

export const mayImportIndex = (path: string): boolean => kindOf(path) === 'app' || path === 'src/config/schema.ts';

/** The composition root, and the authorization server, whose own tokens are judged by the same rules as anybody's. */
export const mayUseShared = (kind: Kind): boolean => kind === 'app' || kind === 'oauth';

/** What a port's adapters share, such as several of them behind one door. */
export const isSharedByAdapters = (path: string): boolean => /^src\/adapters\/[^/]+\/[^/]+$/.test(path);

/** Tests and the contracts that adapters' tests share. */
export const isTest = (path: string): boolean => /\.(test|contract)\.tsx?$/.test(path) || /^(test|bench)\//.test(path);
