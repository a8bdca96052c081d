/** What must hold between settings (DESIGN.md rulings 13, 14, 19): one throw per broken rule, in the order people meet them. */
import { settingError } from '#core/error.ts';
import type { Config } from './load.ts';
import { isWeakKey } from './weak.ts';

/** Warnings for what is accepted. Throws GatehouseError `setting`. */
export function checkConfig(config: Config): readonly string[] {
  const warnings: string[] = [];
  checkRequired(config);
  checkKey(config, warnings);
  checkBaseUrl(config);
  checkKeysAddress(config);
  checkReplicaAddress(config);
  checkReferences(config);
  warnings.push(...withoutEffect(config));
  return warnings;
}

function checkRequired({ production, database, secrets, demo }: Config): void {
  if (production && database.url === undefined) throw settingError('DATABASE_URL environment variable is required');
  if (!demo && secrets.encryptionKey === undefined)
    throw settingError(
      'ENCRYPTION_KEY environment variable is required: make one with `openssl rand -base64 32`, and keep it',
    );
}

/** Also for the scripts that need only the key (S0.34). */
export function checkEncryptionKey(value: string): void {
  if (value.length < 32) {
    throw settingError('ENCRYPTION_KEY must be at least 32 characters: make one with `openssl rand -base64 32`');
  }
}

function checkKey({ secrets, nodeEnv }: Config, warnings: string[]): void {
  const key = secrets.encryptionKey?.reveal();
  if (key === undefined) return;
  checkEncryptionKey(key);
  for (const older of secrets.previousKeys)
    if (older.reveal().length < 32)
      throw settingError('Each key of ENCRYPTION_KEY_PREVIOUS has at least 32 characters');
  if (!isWeakKey(key)) return;
  if (nodeEnv !== 'development' && nodeEnv !== 'test') {
    throw settingError('ENCRYPTION_KEY is a placeholder or too regular: make one with `openssl rand -base64 32`');
  }
  warnings.push(
    'ENCRYPTION_KEY is a placeholder or too regular: accepted only because NODE_ENV is development or test',
  );
}

function checkBaseUrl({ http, production }: Config): void {
  const url = new URL(http.baseUrl);
  if (url.search || url.hash || url.username || url.password) {
    throw settingError('BASE_URL must not have a query, a fragment or a user: remove it');
  }
  const local = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (production && url.protocol === 'http:' && !local && !http.allowInsecureHttp) {
    throw settingError('BASE_URL is plain HTTP in production: use https://, or set ALLOW_INSECURE_HTTP=true');
  }
}

/** The address for API keys has no sign-in: were it the gateway's own, there would be none at all. */
function checkKeysAddress({ http: { baseUrl, keysHost, port, keysPort } }: Config): void {
  const { host, hostname } = new URL(baseUrl);
  if (keysHost !== undefined && (keysHost === host || keysHost === hostname)) {
    throw settingError('KEYS_HOST is the host of BASE_URL: give it another name, such as one that begins with keys.');
  }
  if (keysPort !== undefined && keysPort === port && port !== 0) {
    throw settingError('KEYS_PORT is the same as PORT: set it to another one');
  }
}

function checkReplicaAddress({ http, baseUrlGiven }: Config): void {
  const { replicaUrl, replicaHost, replicaPort } = http;
  const given = replicaHost !== undefined ? 'REPLICA_HOST' : replicaPort !== undefined ? 'REPLICA_PORT' : undefined;
  if (replicaUrl === undefined && given !== undefined) {
    throw settingError(`${given} needs REPLICA_URL: set it, or remove ${given}`);
  }
  // Through a load balancer the others would reach any replica but the one they mean.
  if (replicaUrl !== undefined && baseUrlGiven && new URL(replicaUrl).origin === new URL(http.baseUrl).origin) {
    throw settingError('REPLICA_URL is BASE_URL: give each replica an address of its own, that only the others reach');
  }
}

/** Accepted, for what deploys them is written already; said, for nothing here acts on them yet. */
function withoutEffect({ http, database }: Config): readonly string[] {
  const idle = database.url === undefined ? http.replicaUrl : undefined;
  return idle === undefined ? [] : ['REPLICA_URL has no effect without DATABASE_URL: there is one replica only'];
}

/** Servers named in the file must not be defined twice. Names it doesn't define may be in the database already. */
function checkReferences({ servers, organizations }: Config): void {
  const twice = firstTwice(servers.map(({ key }) => key)) ?? firstTwice(organizations.map(({ slug }) => slug));
  if (twice !== undefined)
    throw settingError(`"${twice}" is defined twice in the configuration file: remove one of them`);
  const port = firstTwice(servers.flatMap((server) => (server.port === undefined ? [] : [String(server.port)])));
  if (port !== undefined) throw settingError(`Two servers have the port ${port}: give one of them another`);
}

function firstTwice(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}
