/**
 * The only schema of gatehouse.yaml and, because every variable has a path in it, of the environment. Unknown keys are
 * refused. What is secret becomes a `Secret`; `isSecretPath` says where the file may hold references only.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { identityAdapters } from '#adapters/identity/index.ts';
import { kmsAdapters } from '#adapters/kms/index.ts';
import { structuredSections } from '#admin/configuration-nouns.ts';
import { collectionName, organizationRef, rolesOrAll, slug, text } from '#admin/nouns.ts';
import { secretName } from '#admin/transport-nouns.ts';
import { Secret } from '#core/secret.ts';
import { catalogSection } from './catalog.ts';
import { containerSettings } from './containers.ts';
import {
  auditLimits,
  count,
  databaseTimeouts,
  inboundTimeouts,
  limits,
  redisTimeouts,
  runnerLimits,
  section,
  suspicionLimits,
  usageLimits,
} from './limits.ts';
import { auditExports, telemetryExports } from './telemetry.ts';

const secret = z
  .string()
  .min(1)
  .transform((value) => new Secret(value));
const flagOr = (fallback: boolean) =>
  z
    .preprocess(
      (value) => (value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value),
      z.boolean(),
    )
    .default(fallback);
const flag = flagOr(false);
const port = z.preprocess(
  (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
  z.int('must be a port, 0 to 65535').min(0, 'must be a port, 0 to 65535').max(65_535, 'must be a port, 0 to 65535'),
);
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be a URL that starts with http:// or https://' });
/** Nothing after the port but one slash, nobody before the host. */
function isOrigin(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { username, password, pathname, search, hash } = new URL(value);
  return pathname === '/' && username + password + search + hash === '';
}
/** A list in YAML, comma-separated in a variable. */
const list = z
  .preprocess(
    (value) =>
      typeof value === 'string'
        ? value
            .split(',')
            .map((part) => part.trim())
            .filter(Boolean)
        : value,
    z.array(text),
  )
  .default([]);
/** An address or a CIDR block. */
function isAddress(value: string): boolean {
  const [address = '', bits, ...more] = value.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

const addresses = list.refine(
  (values) => values.every(isAddress),
  'must be addresses or CIDR blocks such as 10.0.0.0/8',
);
const origins = list.refine(
  (values) => values.every((value) => value === '*' || (URL.canParse(value) && new URL(value).origin === value)),
  'must be origins such as https://app.example (scheme, host and port only), or * for any',
);
/** `proxy:3128` is what many machines are set up with. */
const proxyUrl = z.preprocess(
  (value) => (typeof value === 'string' && /^[\w.-]+:\d+\/?$/.test(value) ? `http://${value}` : value),
  httpUrl,
);
/** Some of its settings are secret: behind a function, where no printer looks. */
const keyManagement = kmsAdapters.config.transform((settings) => ({ kind: settings.kind, read: () => settings }));

export const configSchema = z.strictObject({
  http: section({
    host: text.default('127.0.0.1'),
    port: port.default(3000),
    baseUrl: httpUrl.optional(),
    baseDomain: z
      .string()
      .regex(/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/, 'must be a domain name')
      .optional(),
    keysHost: z
      .string()
      .toLowerCase()
      .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?$/, 'must be a host name, with a port or without')
      .optional(),
    keysPort: port.optional(),
    replicaUrl: httpUrl.refine(isOrigin, 'must be scheme, host and port only, such as http://10.0.0.5:3100').optional(),
    replicaHost: text.optional(),
    replicaPort: port.optional(),
    trustedProxies: addresses,
    allowedOrigins: origins,
    allowedHosts: list.describe(
      "Host headers accepted beside the base URL's; `*`: any, where a proxy in front checks.",
    ),
    allowInsecureHttp: flag,
    metaTools: flag,
    tls: z
      .strictObject({
        certFile: text.optional().describe('PEM: the certificate with its chain (`TLS_CERT_PATH`).'),
        keyFile: text.optional().describe('PEM: its key, for nobody else to read (`TLS_KEY_PATH`).'),
      })
      .optional()
      .describe('TLS ends in the gateway; files that change are read anew. Unset: at a proxy in front.'),
    timeouts: inboundTimeouts,
  }),
  database: section({
    url: z
      .string()
      .regex(/^postgres(ql)?:\/\//, 'must start with postgresql://')
      .transform((value) => new Secret(value))
      .optional(),
    poolSize: count(10, { max: 1000 }).describe('Connections of one replica.'),
    ...databaseTimeouts,
  }),
  redis: section({
    url: z
      .string()
      .regex(/^rediss?:\/\//, 'must start with redis:// or rediss://')
      .transform((value) => new Secret(value))
      .optional(),
    ...redisTimeouts,
  }),
  secrets: section({
    encryptionKey: secret.optional(),
    previousKeys: z
      .preprocess((value) => (typeof value === 'string' ? value.split(',') : value), z.array(secret).default([]))
      .describe('Keys of the past: what they sealed still opens, until `gatehouse secrets rotate` is done.'),
    kms: keyManagement
      .optional()
      .describe('Who keeps the key over all keys (docs/guide/secrets.md); default: `encryptionKey`.'),
    previousKms: z.array(keyManagement).default([]).describe('Who kept it before: data keys still unwrap there.'),
  }),
  identity: z.array(identityAdapters.config).default([]),
  oauth: section({
    signingAlgorithm: z.enum(['RS256', 'ES256']).default('RS256').describe('Signs access tokens and ID tokens.'),
    signingKey: secret
      .optional()
      .describe('The private key that signs, in PEM or the base64 of it. Unset: made at the first start and rotated.'),
    accessTokenSeconds: count(600, { min: 60, max: 86_400 }).describe('Lifetime of access tokens.'),
    refreshTokenSeconds: count(2_592_000, { min: 300 }).describe(
      'Lifetime of refresh tokens, and so of a sign-in that is not used.',
    ),
    clientSeconds: count(7_776_000, { min: 0 }).describe(
      'Lifetime of a registered client from its registration or last update; 0: for ever.',
    ),
    sessionIdleSeconds: count(3600, { min: 60 }).describe(
      'A browser is asked to sign in again after this long unused,',
    ),
    sessionMaxSeconds: count(43_200, { min: 60 }).describe('and after this long in any case.'),
    registration: section({
      enabled: flagOr(true).describe('Whether programs may register themselves (RFC 7591).'),
      // Everybody in an office behind one address, twice, within a working day.
      perAddressPerHour: count(5000).describe('Registrations from one address (IPv6: one /64) in an hour.'),
      pending: count(50_000).describe('Registered clients that nobody has signed in through yet.'),
    }),
    clientMetadataDocuments: flagOr(true).describe(
      'Whether a client id may be the URL of a document about the client.',
    ),
    administrators: list.describe(
      'E-mail addresses, verified by their identity provider, of people who administer the whole gateway.',
    ),
    resources: z
      .array(httpUrl)
      .default([])
      .describe('URLs of services behind your own proxy that ask `/verify`; no slash at the end.'),
    passToken: flag.describe('`/verify` hands the token to the service as X-Auth-Token.'),
    assertionIssuers: z
      .array(
        z.strictObject({
          issuer: httpUrl.describe('Exactly as the assertions have it.'),
          jwksUrl: httpUrl.optional().describe('Default: what its metadata says.'),
          organization: organizationRef.describe('The only organization that it may speak for.'),
          identityProvider: slug.describe('Name of the identity provider whose people it names.'),
        }),
      )
      .default([])
      .describe('Issuers of identity assertions (ID-JAG) that are accepted.'),
    workloadIssuers: z
      .array(
        z.strictObject({
          issuer: httpUrl.describe('Exactly as the assertions have it.'),
          jwksUrl: httpUrl.optional().describe('Default: what its metadata says.'),
        }),
      )
      .default([])
      .describe('Issuers whose workloads (clusters, build services) organizations may trust for service accounts.'),
  }),
  ...structuredSections,
  catalog: catalogSection,
  limits,
  audit: section({
    calls: z
      .enum(['required', 'best_effort'])
      .default('required')
      .describe('required: new calls are refused while their audit can be kept nowhere.'),
    ...auditLimits,
    export: auditExports,
    suspicion: section(suspicionLimits),
  }),
  usage: section(usageLimits),
  notifications: section({
    smtp: z
      .strictObject({
        host: text,
        port: port.default(587),
        secure: flag.describe('TLS from the first byte (port 465); else STARTTLS where the mail server offers it.'),
        user: text.optional(),
        password: secret.optional(),
        from: text.describe('Such as `Gatehouse <gatehouse@example.com>`.'),
      })
      .optional()
      .describe('The mail server that notifications go through.'),
  }),
  egress: section({
    allow: list.describe('CIDR blocks and host names that the gateway may reach although they are private.'),
    httpProxy: proxyUrl.optional(),
    httpsProxy: proxyUrl.optional(),
    noProxy: list,
  }),
  runner: section({
    sandbox: z
      .enum(['auto', 'none'])
      .default('auto')
      .describe("auto: programs run in bubblewrap or not at all. none: with the gateway's own rights."),
    ...containerSettings,
    ...runnerLimits,
  }),
  telemetry: section({
    logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
    logFormat: z.enum(['json', 'pretty']).optional(),
    metrics: z
      .preprocess((value) => (value === 'false' ? false : value === 'true' ? true : value), z.boolean())
      .default(true)
      .describe('Whether there is `/metrics`.'),
    ...telemetryExports,
  }),
});

export type FileConfig = z.output<typeof configSchema>;

/** Who signs people in where nothing is configured. */
export const demoIdentity = identityAdapters.config.parse({ kind: 'local' });

/** MAPPING_FILE of the older generation (REQUIREMENTS.md S0.24): organization → collection → what it maps to. */
export const mappingSchema = z.record(
  organizationRef,
  z.record(collectionName, z.strictObject({ partition: text, apiKey: secret, allowedRoles: rolesOrAll })),
);
export type Mapping = z.output<typeof mappingSchema>;

/**
 * True where the file may hold only `${ENV}` or `${file:…}`. In a child's environment a secret-looking name is one too:
 * such a value belongs into a binding's credential with `credentialEnv`.
 */
export function isSecretPath(path: readonly (string | number)[]): boolean {
  const [top] = path;
  const last = path.at(-1);
  if (top === 'notifications' && last === 'password') return true;
  if (last === 'metricsKey' || (top === 'audit' && last === 'authorization')) return true;
  if (top === 'secrets' && /^(kms|previousKms)$/.test(String(path[1])))
    return /secret|^(credentials|token|sessionToken)$/i.test(String(last));
  if (top === 'secrets' || (top === 'oauth' && last === 'signingKey')) return true;
  if (top === 'collections' || top === 'credentials') return last === 'credential';
  if (top === 'servers' && (last === 'clientSecret' || last === 'credential' || path.at(-2) === 'variables'))
    return true;
  if (top === 'servers') return path.at(-2) === 'env' && secretName.test(String(last));
  return top === 'identity' && secretName.test(String(last)) && !/^(public|publishable)/i.test(String(last));
}
