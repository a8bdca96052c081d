/**
 * The only reader of the environment and of configuration files. Environment over `.env` over gatehouse.yaml over default;
 * whatever is wrong is one GatehouseError `setting` with one sentence that says what to do next.
 */
import { isAbsolute, resolve } from 'node:path';
import { catalogVariables } from '#admin/catalog/catalog.ts';
import { settingError } from '#core/error.ts';
import { looksSecret } from '#core/looks-secret.ts';
import { Secret } from '#core/secret.ts';
import type { TlsFiles } from '#http/tls-files.ts';
import { type SettledCatalog, settleCatalog, withoutAddress } from './catalog.ts';
import { checkConfig } from './check.ts';
import { checkNames, type Env, findUrl, mergeEnv, withEnv, withRateLimits } from './environment.ts';
import { dotted, explain } from './explain.ts';
import { foreignVariables } from './foreign.ts';
import { isLoopback } from './loopback.ts';
import { readMapping } from './mapping.ts';
import { type NamedSettings, readEcho, readNamed } from './named.ts';
import { configSchema, demoIdentity, type FileConfig, isSecretPath, type Mapping } from './schema.ts';
import { readServerHosts, readServerPorts } from './server-ports.ts';
import { namesVendor, withVendors } from './vendors/vendors.ts';
import { parseYaml, type YamlFile } from './yaml.ts';

/** Settings of one identity provider, some of them secret: behind a function, where no printer looks. */
export interface IdentitySettings {
  readonly kind: string;
  /** For the adapter registry's `open`. */
  readonly read: () => { readonly kind: string };
}

export interface Config extends Omit<FileConfig, 'http' | 'telemetry' | 'identity'> {
  readonly identity: readonly IdentitySettings[];
  readonly http: Omit<FileConfig['http'], 'tls'> & { readonly baseUrl: string; readonly tls: TlsFiles | undefined };
  readonly telemetry: FileConfig['telemetry'] & {
    readonly logFormat: 'json' | 'pretty';
    /** Unless NO_COLOR is set (no-color.org). */
    readonly color: boolean;
  };
  readonly nodeEnv: string;
  readonly production: boolean;
  /** No DATABASE_URL, no identity provider, loopback HOST, not production (DESIGN.md 2). */
  readonly demo: boolean;
  /**
   * The demo has a local account to sign in with: only where nothing says whose people there are (no organization, no
   * ENCRYPTION_KEY). API keys then have an address of their own.
   */
  readonly demoSignIn: boolean;
  /** False: `http.baseUrl` follows from the port and must be made anew when port 0 was asked for. */
  readonly baseUrlGiven: boolean;
  /** Absolute. */
  readonly dataDir: string;
  /** Absolute; undefined: no file. */
  readonly file: string | undefined;
  readonly ragieBaseUrl: string;
  /** OPEN_WEBUI_URL: its pages are at `/`, hence `/admin` is one of them. */
  readonly openWebuiUrl: string | undefined;
  /** By the server's key: MCP_PORT_<SERVER>. */
  readonly serverPorts: Readonly<Record<string, number>>;
  /** By the server's key: where such a port listens, if not where the gateway does. */
  readonly serverHosts: Readonly<Record<string, string>>;
  /** Of `catalog` and the variables of its entries. */
  readonly settledCatalog: SettledCatalog;
  readonly mapping: Mapping;
  /** What variables say of servers by name. */
  readonly named: NamedSettings['wishes'];
  /** Sessions of the echo servers without a request; milliseconds. */
  readonly echo: { readonly sessionMs: number | undefined; readonly debug: boolean };
  /** What the command line talks to when asked for another gateway. */
  readonly remote: { readonly url: string | undefined; readonly key: Secret | undefined };
  /** Doubtful but accepted: for the log. */
  readonly warnings: readonly string[];
}

export interface LoadOptions {
  readonly env: Env;
  readonly cwd: string;
  /** Text of a file; undefined if there is none. */
  readonly readFile: (path: string) => string | undefined;
  /** Standard output is a terminal. */
  readonly isTerminal?: boolean;
  /** `database`: for commands that need the database only; what else a gateway requires isn't asked for. */
  readonly purpose?: 'gateway' | 'database';
}

/** Throws GatehouseError `setting`. */
export function loadConfig(options: LoadOptions): Config {
  const { cwd, readFile } = options;
  const env = mergeEnv(options);
  checkNames(env);
  const file = readConfigFile(env, cwd, readFile);
  const settled = withRateLimits(withEnv(file?.yaml.value ?? {}, env), env);
  const value = options.purpose === 'database' ? settled : withVendors(settled, env);
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) throw settingError(explain(parsed.error, value, env, file?.yaml));
  const dataDir = resolve(cwd, env.DATA_DIR || 'data');
  const mapping = readMapping(env, cwd, readFile);
  const folder = file ? resolve(file.path, '..') : cwd;
  const settledCatalog = settleCatalog(parsed.data.catalog, { env, folder, readFile });
  const demo = isDemo(parsed.data, env);
  const { organizations, secrets, servers } = parsed.data;
  const named = readNamed(
    env,
    cwd,
    servers.map(({ key }) => key),
  );
  const isBare = organizations.length + Object.keys(mapping).length === 0 && secrets.encryptionKey === undefined;
  const demoSignIn = demo && isBare;
  const identity = demoSignIn ? [demoIdentity] : parsed.data.identity;
  const config: Config = {
    ...parsed.data,
    servers: servers.map((server) => withOpenApiFile(server, folder)),
    http: httpOf(parsed.data.http, cwd),
    telemetry: {
      ...parsed.data.telemetry,
      logFormat: parsed.data.telemetry.logFormat ?? (options.isTerminal ? 'pretty' : 'json'),
      color: env.NO_COLOR === undefined,
    },
    identity: identity.map((settings) => ({ kind: settings.kind, read: () => settings })),
    nodeEnv: env.NODE_ENV ?? '',
    production: env.NODE_ENV === 'production',
    demo,
    demoSignIn,
    baseUrlGiven: parsed.data.http.baseUrl !== undefined || parsed.data.http.baseDomain !== undefined,
    dataDir,
    file: file?.path,
    serverPorts: readServerPorts(env),
    serverHosts: readServerHosts(env, demo),
    openWebuiUrl: findUrl(env, 'OPEN_WEBUI_URL'),
    ragieBaseUrl: findUrl(env, 'RAGIE_BASE_URL') ?? 'https://api.ragie.ai/',
    mapping,
    settledCatalog,
    named: named.wishes,
    echo: readEcho(env),
    remote: {
      url: findUrl(env, 'GATEHOUSE_URL'),
      key: env.GATEHOUSE_KEY ? new Secret(env.GATEHOUSE_KEY) : undefined,
    },
    warnings: [],
  };
  return deepFreeze({
    ...config,
    warnings: options.purpose === 'database' ? [] : warningsOf(config, env, named.strangers),
  });
}

/** The file of an OpenAPI document, as everything else that the configuration file names, is beside it. */
function withOpenApiFile(server: FileConfig['servers'][number], folder: string): FileConfig['servers'][number] {
  const { openapi } = server;
  if (openapi?.file === undefined) return server;
  return { ...server, openapi: { ...openapi, file: resolve(folder, openapi.file) } };
}

function warningsOf(config: Config, env: Env, strangers: readonly string[]): readonly string[] {
  const { entries, warnings } = config.settledCatalog;
  return [
    ...checkConfig(config),
    ...warnings,
    ...withoutAddress(entries, env),
    ...foreignVariables(env, catalogVariables(entries)),
    ...strangers.map(isStranger),
  ];
}

interface ConfigFile {
  readonly path: string;
  readonly yaml: YamlFile;
}

function readConfigFile(env: Env, cwd: string, readFile: LoadOptions['readFile']): ConfigFile | undefined {
  const shown = env.GATEHOUSE_CONFIG ?? 'gatehouse.yaml';
  const path = resolve(cwd, shown);
  const source = readFile(path);
  if (source === undefined) {
    if (env.GATEHOUSE_CONFIG === undefined) return undefined;
    throw settingError(`The configuration file ${shown} does not exist: create it or correct GATEHOUSE_CONFIG`);
  }
  return parseConfigFile({ source, shown, path }, env, readFile);
}

/** A file of configuration that is to be planned or applied: references resolved, nothing judged yet. Throws `setting`. */
export function readStructured(
  options: LoadOptions,
  shown: string,
): { readonly path: string; readonly yaml: YamlFile; readonly env: Env } {
  const env = mergeEnv(options);
  const path = resolve(options.cwd, shown);
  const source = options.readFile(path);
  if (source === undefined) throw settingError(`There is no file ${shown}`);
  return { ...parseConfigFile({ source, shown, path }, env, options.readFile), env };
}

interface Source {
  readonly source: string;
  readonly shown: string;
  readonly path: string;
}

function parseConfigFile({ source, shown, path }: Source, env: Env, readFile: LoadOptions['readFile']): ConfigFile {
  const readReference = (name: string) => readFile(isAbsolute(name) ? name : resolve(path, '..', name));
  const yaml = parseYaml(source, shown, (value, at, place) => {
    const secretPath = isSecretPath(at);
    if (secretPath && at[0] === 'servers' && at.at(-2) === 'env') {
      throw settingError(
        `${place}: ${dotted(at)} would be stored in the clear: use credentialEnv and a binding's credential`,
      );
    }
    if (secretPath ? value.replace(reference, '').trim() !== '' : looksSecret(value)) {
      throw settingError(
        `${place}: ${dotted(at)} is a secret: write a reference, \${NAME} or \${file:/path}, in its place`,
      );
    }
    return interpolate(value, place, env, readReference);
  });
  if (typeof yaml.value !== 'object' || yaml.value === null || Array.isArray(yaml.value)) {
    throw settingError(
      `${yaml.locate([])}: the file must be a map of settings, such as "http:" with "port: 3000" below it`,
    );
  }
  return { path, yaml };
}

const reference = /(?<!\$)\$\{(?:file:([^}]+)|([A-Za-z_]\w*)(?::-([^}]*))?)\}/g;

/** `$${` stands for `${` itself. */
function interpolate(
  value: string,
  place: string,
  env: Env,
  readReference: (name: string) => string | undefined,
): string {
  return value
    .replace(reference, (whole, file: string | undefined, name: string | undefined, fallback: string | undefined) => {
      const found = file === undefined ? (env[name ?? ''] ?? fallback) : readReference(file)?.trimEnd();
      if (found !== undefined) return found;
      throw settingError(
        file === undefined
          ? `${place}: ${whole} is not set: set ${name} or write \${${name}:-default}`
          : `${place}: the file ${file} does not exist: create it or correct the reference`,
      );
    })
    .replaceAll('$${', '${');
}

function baseUrlOf({ baseUrl, baseDomain, port, tls }: FileConfig['http']): string {
  if (baseUrl !== undefined) return baseUrl.replace(/\/+$/, '');
  const scheme = tls === undefined ? 'http' : 'https';
  return baseDomain === undefined ? `${scheme}://localhost:${port}` : `https://auth.${baseDomain}`;
}

function httpOf(http: FileConfig['http'], cwd: string): Config['http'] {
  return { ...http, baseUrl: baseUrlOf(http), keysHost: keysHostOf(http), tls: tlsOf(http, cwd) };
}

function tlsOf({ tls }: FileConfig['http'], cwd: string): TlsFiles | undefined {
  if (tls === undefined) return undefined;
  const { certFile, keyFile } = tls;
  if (certFile === undefined || keyFile === undefined)
    throw settingError('TLS_CERT_PATH and TLS_KEY_PATH are required together: a certificate, and the key to it');
  return { certFile: resolve(cwd, certFile), keyFile: resolve(cwd, keyFile) };
}

function keysHostOf({ keysHost, baseDomain }: FileConfig['http']): string | undefined {
  return keysHost ?? (baseDomain === undefined ? undefined : `keys.${baseDomain}`);
}

const isStranger = (name: string): string =>
  `${name} has no effect: no server of that name comes along or is in gatehouse.yaml`;

function isDemo(file: FileConfig, env: Env): boolean {
  const hasIdentity = file.identity.length > 0 || namesVendor(env);
  return file.database.url === undefined && !hasIdentity && isLoopback(file.http.host) && env.NODE_ENV !== 'production';
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value) && !(value instanceof Secret)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
