/** What was pasted: an address, a command, a package, an image, a document, a name in the registry. */

export type Detected =
  | { readonly kind: 'remote'; readonly key: string; readonly url: string; readonly transport: 'http' | 'sse' }
  | { readonly kind: 'program'; readonly key: string; readonly transport: Program; readonly note?: string }
  | {
      readonly kind: 'import';
      readonly from: { readonly document: string } | { readonly url: string } | { readonly registry: string };
    }
  | {
      readonly kind: 'openapi';
      readonly key: string;
      readonly from: { readonly document: string } | { readonly from: string };
    }
  | { readonly kind: 'unknown'; readonly why: string };

export type Program =
  | { readonly kind: 'stdio'; readonly command: string; readonly args: string[]; readonly env: Record<string, string> }
  | {
      readonly kind: 'container';
      readonly image: string;
      readonly args: string[];
      readonly env: Record<string, string>;
    };

const launchers = new Set([
  'npx',
  'uvx',
  'bunx',
  'pnpm',
  'yarn',
  'node',
  'python',
  'python3',
  'uv',
  'deno',
  'bun',
  'go',
]);

export function detect(given: string): Detected {
  const text = given.trim();
  if (text === '') return { kind: 'unknown', why: '' };
  if (text.startsWith('{') || text.startsWith('[')) return ofJson(text);
  if (/^\s*(openapi|swagger)\s*:/m.test(text)) return { kind: 'openapi', key: '', from: { document: text } };
  if (/\n/.test(text) && /^\s*(mcpServers|servers|mcp_servers|extensions)\s*[:\]]|^\[mcp_servers/m.test(text))
    return { kind: 'import', from: { document: text } };
  if (/^https?:\/\/\S+$/.test(text)) return ofUrl(text);
  const [first = '', ...rest] = words(text);
  if (first === 'docker' || first === 'podman') return ofContainerLine(rest);
  if (launchers.has(first)) return program(first, rest);
  // `claude mcp add --transport http name https://…` and the like.
  const inside = /https?:\/\/[^\s"']+/.exec(text);
  if (inside && rest.length > 0) return ofUrl(inside[0]);
  if (rest.length > 0) return program(first, rest);
  return ofName(first);
}

function ofJson(text: string): Detected {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Comments and trailing commas are fine in clients' files: the gateway reads those.
    if (/"(mcpServers|servers|mcp)"/.test(text)) return { kind: 'import', from: { document: text } };
    return {
      kind: 'unknown',
      why: `This begins like JSON and is none: ${error instanceof Error ? error.message : ''}`,
    };
  }
  const isDocument = typeof value === 'object' && value !== null && ('openapi' in value || 'swagger' in value);
  if (isDocument) return { kind: 'openapi', key: '', from: { document: text } };
  return { kind: 'import', from: { document: text } };
}

function ofUrl(url: string): Detected {
  if (!URL.canParse(url)) return { kind: 'unknown', why: 'This begins like an address and is none' };
  const { pathname, hostname } = new URL(url);
  const registry = /^\/v0(?:\.1)?\/servers\/([^/]+)/.exec(pathname)?.[1];
  if (registry !== undefined || /server\.json$/.test(pathname)) return { kind: 'import', from: { url } };
  if (/\.(json|ya?ml)$/.test(pathname) || /(openapi|swagger)/i.test(pathname))
    return { kind: 'openapi', key: keyOf(hostname), from: { from: url } };
  return { kind: 'remote', key: keyOf(hostname), url, transport: /\/sse\/?$/.test(pathname) ? 'sse' : 'http' };
}

function ofName(name: string): Detected {
  const [, prefix, rest = ''] = /^(npm|pypi|oci|docker):(.+)$/.exec(name) ?? [];
  if (prefix === 'npm') return program('npx', ['-y', rest]);
  if (prefix === 'pypi') return program('uvx', [rest]);
  if (prefix !== undefined) return container(rest.replace(/^\/\//, ''), [], {});
  if (/^@[\w.-]+\/[\w.-]+(@[\w.^~-]+)?$/.test(name)) return program('npx', ['-y', name]);
  if (/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\/[A-Za-z0-9._-]+(@[\w.+-]+)?$/.test(name) && !isRegistryHost(name))
    return { kind: 'import', from: { registry: name } };
  if (name.includes('/') && /^[a-z0-9][\w./:@-]*$/i.test(name)) return container(name, [], {});
  if (/^[a-z0-9][\w.-]*(@[\w.^~-]+)?$/i.test(name))
    return { ...program('npx', ['-y', name]), note: `Taken as a package of npm. Of PyPI: write pypi:${name}` };
  return {
    kind: 'unknown',
    why: 'Nothing that is known: paste an address, a command, a package, an image or a document',
  };
}

const isRegistryHost = (name: string): boolean =>
  /^(docker\.io|ghcr\.io|quay\.io|[\w-]+\.azurecr\.io|gcr\.io|public\.ecr\.aws)\//.test(name);

interface ProgramDetected {
  readonly kind: 'program';
  readonly key: string;
  readonly transport: Program;
}

function program(command: string, args: string[]): ProgramDetected {
  const named = args.find((arg) => !arg.startsWith('-') && !['dlx', 'exec', 'run', 'tool', 'x'].includes(arg));
  return { kind: 'program', key: keyOf(named ?? command), transport: { kind: 'stdio', command, args, env: {} } };
}

const container = (image: string, args: string[], env: Record<string, string>): ProgramDetected => ({
  kind: 'program',
  key: keyOf(image),
  transport: { kind: 'container', image, args, env },
});

const valued = new Set([
  '-e',
  '--env',
  '-v',
  '--volume',
  '--name',
  '--network',
  '-p',
  '--publish',
  '--mount',
  '-w',
  '--user',
  '--platform',
]);

/** `docker run -i --rm -e NAME=value image args`: the gateway says itself how it is run. */
function ofContainerLine(args: readonly string[]): Detected {
  const env: Record<string, string> = {};
  let i = args[0] === 'run' ? 1 : 0;
  for (; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (!arg.startsWith('-')) break;
    if (!valued.has(arg)) continue;
    const value = args[++i] ?? '';
    const [name = '', ...said] = value.split('=');
    if (arg === '-e' || arg === '--env') env[name] = said.join('=');
  }
  const image = args[i];
  if (image === undefined) return { kind: 'unknown', why: 'There is no image in this command' };
  return container(image, args.slice(i + 1), env);
}

/** As a shell would take it apart, without anything else that a shell does. */
export function words(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double?.replace(/\\(.)/g, '$1') ?? single ?? plain ?? '',
  );
}

const dull = new Set([
  'mcp',
  'www',
  'api',
  'com',
  'net',
  'org',
  'io',
  'dev',
  'ai',
  'app',
  'co',
  'localhost',
  'server',
  'latest',
]);

/** A short name out of a host, a package or an image. */
export function keyOf(name: string): string {
  const own = name
    .replace(/@sha256:.*$/, '')
    .replace(/(?!^)@[^/]*$/, '')
    .replace(/:[^/]*$/, '');
  const last = own.includes('/') ? (own.split('/').at(-1) ?? own) : own;
  const parts = last
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((part) => part !== '');
  const telling = parts.filter((part) => !dull.has(part));
  const chosen = own.includes('/') || !own.includes('.') ? telling : telling.slice(-1);
  return (chosen.length > 0 ? chosen : parts).join('-').slice(0, 63);
}

/** For the eye of whoever decides. */
export function commandLine(transport: Program): string {
  const quote = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word));
  const said =
    transport.kind === 'stdio' ? [transport.command, ...transport.args] : [transport.image, ...transport.args];
  return said.map(quote).join(' ');
}
