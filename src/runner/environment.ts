/** What a child process gets as environment: a handful of names every program needs, and what its definition gives. */
import { GatehouseError } from '#core/error.ts';
import { Secret } from '#core/secret.ts';

export type EnvironmentValue = string | Secret;

const inherited =
  process.platform === 'win32'
    ? ['PATH', 'PATHEXT', 'SYSTEMROOT', 'SYSTEMDRIVE', 'COMSPEC', 'TEMP', 'TMP', 'USERPROFILE', 'USERNAME', 'APPDATA']
    : ['PATH', 'HOME', 'TMPDIR', 'LANG', 'USER'];

/** Names by which a value becomes code, or steers the loader, in a program that did not ask for it (SECURITY G3). */
const dangerous = new Set([
  ...['PATH', 'HOME', 'SHELL', 'IFS', 'ENV', 'BASH_ENV', 'PROMPT_COMMAND', 'PS4', 'SHELLOPTS', 'BASHOPTS', 'ZDOTDIR'],
  ...['NODE_OPTIONS', 'NODE_PATH', 'NODE_EXTRA_CA_CERTS', 'NODE_TLS_REJECT_UNAUTHORIZED', 'NODE_REPL_EXTERNAL_MODULE'],
  ...['PERL5OPT', 'PERL5LIB', 'PERL5DB', 'RUBYOPT', 'RUBYLIB', 'JAVA_TOOL_OPTIONS', 'JDK_JAVA_OPTIONS', 'CLASSPATH'],
  ...['PHPRC', 'PHP_INI_SCAN_DIR', 'DOTNET_STARTUP_HOOKS', 'GCONV_PATH', 'LOCPATH', 'NLSPATH', 'HOSTALIASES'],
  ...['EDITOR', 'VISUAL', 'PAGER', 'BROWSER', 'CHILD_OF_GATEHOUSE', 'LUA_INIT', 'SSLKEYLOGFILE', 'OPENSSL_CONF'],
  ...[
    'COMSPEC',
    'PATHEXT',
    'SYSTEMROOT',
    'MALLOC_TRACE',
    'RES_OPTIONS',
    'GOFLAGS',
    'RUSTC_WRAPPER',
    'CDPATH',
    'GLOBIGNORE',
  ],
]);
const dangerousPrefixes = [
  'LD_',
  'DYLD_',
  'PYTHON',
  'NPM_CONFIG_',
  'GIT_',
  'UV_',
  'PIP_',
  'BUN_',
  'DENO_',
  'YARN_',
  'ELECTRON_',
];
const dangerousEverywhere = /^(?:BASH_FUNC_|CORECLR_|COR_PROFILER|GLIBC_TUNABLES)/;

/** Throws GatehouseError `bad_request` for a name that is malformed or on the deny list. */
export function checkVariableName(name: string): void {
  if (!/^[A-Z][A-Z0-9_]{0,63}$/.test(name)) refuse(name, 'is not of the form [A-Z][A-Z0-9_]{0,63}');
  if (dangerous.has(name) || dangerousEverywhere.test(name) || dangerousPrefixes.some((p) => name.startsWith(p))) {
    refuse(name, 'is not allowed: it changes how programs load code');
  }
}

function refuse(name: string, why: string): never {
  throw new GatehouseError('bad_request', {
    message: `The environment variable ${JSON.stringify(name.slice(0, 80))} ${why}`,
  });
}

/**
 * `own`: this process's environment, of which only the allow-list passes. Throws GatehouseError `bad_request` for a
 * refused name or a value with NUL.
 */
export function buildEnvironment(
  own: NodeJS.ProcessEnv,
  given: Readonly<Record<string, EnvironmentValue>>,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of inherited) {
    const value = own[name];
    if (value !== undefined) environment[name] = value;
  }
  for (const [name, value] of Object.entries(given)) {
    checkVariableName(name);
    const text = value instanceof Secret ? value.reveal() : value;
    if (text.includes('\0')) refuse(name, 'has a value with a NUL byte');
    environment[name] = text;
  }
  return environment;
}

/** What to hide in the child's output, line by line (a private key has many), longest first. */
export function secretsOf(given: Readonly<Record<string, EnvironmentValue>>): string[] {
  const secrets: string[] = [];
  for (const value of Object.values(given))
    if (value instanceof Secret)
      secrets.push(
        ...value
          .reveal()
          .split('\n')
          .map((line) => line.trim()),
      );
  return secrets.filter((secret) => secret.length > 3).sort((a, b) => b.length - a.length);
}
