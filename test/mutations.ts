/**
 * Would the tests notice? Each entry breaks one promise by one line, in a copy of the tree, and runs only the tests that
 * claim the line: they must go red. Tried now and then, never part of a test run:
 *   node test/mutations.ts [id …]
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Mutation {
  /** The line whose tests must notice. */
  readonly id: string;
  readonly breaks: string;
  readonly file: string;
  /** Must be there exactly once. */
  readonly from: string;
  readonly to: string;
  /** The files that hold the tests, to be quick. */
  readonly tests: readonly string[];
}

const oauth = 'src/oauth';
const server = `${oauth}/authorization-server.ts`;
const entra = 'test/entra/bridge.test.ts';

const mutations: readonly Mutation[] = [
  {
    id: 'A4',
    breaks: 'redirect URIs are compared exactly',
    file: server,
    from: '  provider.proxy = true;',
    to: '  provider.proxy = true;\n  Object.defineProperty(provider.Client.prototype, "redirectUriAllowed", { value: () => true });',
    tests: [`${oauth}/endpoints.test.ts`, `${oauth}/registration/redirect-uri.test.ts`],
  },
  {
    id: 'S1.7',
    breaks: 'a host is what it looks like',
    file: `${oauth}/registration/redirect-uri.ts`,
    from: "return isPlainHost(uri, parsed) ? 'https' : undefined;",
    to: "return isPlainHost(uri, parsed) || uri ? 'https' : undefined;",
    tests: [`${oauth}/registration/redirect-uri.test.ts`],
  },
  {
    id: 'A5',
    breaks: 'dangerous schemes are refused',
    file: `${oauth}/registration/redirect-uri.ts`,
    from: "['javascript', 'jscript',",
    to: "['jscript',",
    tests: [`${oauth}/registration/redirect-uri.test.ts`],
  },
  {
    id: 'S1.5',
    breaks: 'PKCE is mandatory',
    file: server,
    from: 'pkce: { required: () => true }',
    to: 'pkce: { required: () => false }',
    tests: [`${oauth}/endpoints.test.ts`],
  },
  {
    id: 'S1.11',
    breaks: 'state is required',
    file: `${oauth}/authorize.ts`,
    from: "if (state !== undefined || ctx.oidc.route !== 'authorization') return;",
    to: 'if (ctx.oidc.route) return;',
    tests: [`${oauth}/endpoints.test.ts`],
  },
  {
    id: 'A8',
    breaks: 'a code presented again ends what came of it, of racing ones one wins',
    file: `${oauth}/token-writes.ts`,
    from: "if (written === 'written') return;",
    to: "if (written === 'written' || grant === 'authorization_code') return;",
    tests: [`${oauth}/refresh.test.ts`],
  },
  {
    id: 'A9',
    breaks: 'refresh tokens rotate',
    file: server,
    from: 'rotateRefreshToken: true',
    to: 'rotateRefreshToken: false',
    tests: [`${oauth}/refresh.test.ts`],
  },
  {
    id: 'S1.16',
    breaks: 'within the grace the same answer comes again',
    file: `${oauth}/token-writes.ts`,
    from: 'export const graceMs = 10_000;',
    to: 'export const graceMs = 0;',
    tests: [`${oauth}/refresh.test.ts`],
  },
  {
    id: 'A1',
    breaks: 'consent comes before the identity provider, for whoever is signed in, too',
    file: `${oauth}/interaction/interactions.ts`,
    from: 'const known = consent && (await withPlatform(db, (scope) => isConsentKnown(scope, consent)));',
    to: 'const known = true;',
    tests: [`${oauth}/interaction/interaction.test.ts`],
  },
  {
    id: 'A2',
    breaks: 'the state belongs to one browser',
    file: `${oauth}/interaction/attempts.ts`,
    from: 'presented !== undefined && digestOf(presented) === browser',
    to: 'presented === presented && browser',
    tests: [`${oauth}/interaction/interaction.test.ts`, `${oauth}/interaction/state.test.ts`],
  },
  {
    id: 'S1.13',
    breaks: 'the same, by the tests of S1',
    file: `${oauth}/interaction/attempts.ts`,
    from: 'presented !== undefined && digestOf(presented) === browser',
    to: 'presented === presented && browser',
    tests: [`${oauth}/interaction/interaction.test.ts`, `${oauth}/interaction/state.test.ts`],
  },
  {
    id: 'A19',
    breaks: 'the consent form needs its token',
    file: `${oauth}/interaction/form-guard.ts`,
    from: 'given.length === expected.length && timingSafeEqual(given, expected)',
    to: 'given.length >= 0 && timingSafeEqual(expected, expected)',
    tests: [`${oauth}/interaction/interaction.test.ts`, `${oauth}/interaction/asked.test.ts`],
  },
  {
    id: 'B1',
    breaks: 'a token for one endpoint is good at no other',
    file: 'src/gateway/audience.ts',
    from: 'if (resource.path.name !== undefined && resource.path.name !== path.name) continue;',
    to: '',
    tests: ['test/data-plane/own-tokens.test.ts'],
  },
  {
    id: 'S1.24',
    breaks: '/verify holds a token against the forwarded address',
    file: `${oauth}/verify.ts`,
    from: 'if (!caller.audiences.includes(resource))',
    to: 'if (caller.audiences.length === 0)',
    tests: ['test/data-plane/verify.test.ts'],
  },
  {
    id: 'X1.4',
    breaks: 'only trusted proxies are answered at /verify',
    file: `${oauth}/verify.ts`,
    from: "if (!deps.isProxy(request.raw.socket.remoteAddress ?? ''))",
    to: 'if (request.raw.socket.remoteAddress === "")',
    tests: ['test/data-plane/verify.test.ts'],
  },
  {
    id: 'S1.21',
    breaks: 'a revoked token is dead',
    file: `${oauth}/own-tokens.ts`,
    from: 'if (!live || (live.user && live.user.subject !== subject))',
    to: 'if (live?.user && live.user.subject !== subject)',
    tests: [`${oauth}/introspection.test.ts`],
  },
  {
    id: 'A26',
    breaks: "only one's own tokens are revoked",
    file: `${oauth}/introspection.ts`,
    from: 'token.clientId === client.clientId;',
    to: 'token.clientId !== "";',
    tests: [`${oauth}/introspection.test.ts`],
  },
  {
    id: 'S1.20',
    breaks: "only one's own tokens are introspected",
    file: `${oauth}/introspection.ts`,
    from: 'if (token.clientId === client.clientId) return true;',
    to: 'if (client.clientId) return true;',
    tests: [`${oauth}/introspection.test.ts`],
  },
  {
    id: 'A14',
    breaks: 'a client document lies at its own URL',
    file: `${oauth}/registration/client-documents.ts`,
    from: 'if (data.client_id !== url) throw',
    to: 'if (data.client_id === "") throw',
    tests: [`${oauth}/registration/client-documents.test.ts`],
  },
  {
    id: 'A14',
    breaks: 'nobody makes us reach into this network for one',
    file: 'src/http/address-guard.ts',
    from: 'return !needsListing(target, host) && !isSpecialAddress(address);',
    to: 'return !needsListing(target, host);',
    tests: [`${oauth}/registration/client-documents.test.ts`],
  },
  {
    id: 'S1.9',
    breaks: 'a registration is managed by its own token only',
    file: `${oauth}/registration/client-registry.ts`,
    from: 'if (!isTokenOf(client, token))',
    to: 'if (!isTokenOf(client, token) && token.startsWith("reg-w"))',
    tests: [`${oauth}/registration/registration.test.ts`],
  },
  {
    id: 'S1.10',
    breaks: 'an unused registration ends after a day',
    file: `${oauth}/registration/client-registry.ts`,
    from: 'return Math.min(createdAt + pendingMs, lapses ?? Number.POSITIVE_INFINITY);',
    to: 'return lapses;',
    tests: [`${oauth}/registration/registration.test.ts`],
  },
  {
    id: 'S2.4',
    breaks: 'resource and prompt stay here',
    file: `${oauth}/entra-bridge/authorize.ts`,
    from: "const stripped = ['resource', 'prompt'];",
    to: "const stripped = ['resource'];",
    tests: [entra],
  },
  {
    id: 'S2.5',
    breaks: 'the ID token stands in for the access token',
    file: `${oauth}/entra-bridge/token.ts`,
    from: 'access_token: idToken,',
    to: 'access_token: String(rest.access_token),',
    tests: [entra],
  },
  {
    id: 'X2.3',
    breaks: 'the bridge redirects to safe addresses only',
    file: `${oauth}/entra-bridge/redirect-uri.ts`,
    from: "return kind !== undefined && kind !== 'out-of-band';",
    to: "return kind !== 'out-of-band';",
    tests: [entra],
  },
  {
    id: 'B2',
    breaks: 'algorithms are pinned',
    file: 'src/adapters/identity/verify-token.ts',
    from: '    algorithms: [...rules.algorithms],\n',
    to: '',
    tests: ['src/adapters/identity', `${oauth}/own-tokens.test.ts`],
  },
  {
    id: 'B8',
    breaks: 'an ID token is no access token',
    file: 'src/adapters/identity/verify-token.ts',
    from: "  if (!rules.types.includes(type)) throw new errors.JWTInvalid('unexpected \"typ\"');\n  if (type !== 'at+jwt' && isForeignPurpose(payload)) throw new errors.JWTInvalid('no access token');\n",
    to: '  if (type === payload.iss || isForeignPurpose({})) throw new Error(rules.types.join());\n',
    tests: ['src/adapters/identity', `${oauth}/own-tokens.test.ts`],
  },
  {
    id: 'S1.14',
    breaks: 'only listed users of GitHub come in',
    file: 'src/adapters/identity/github/github.ts',
    from: 'const users = lower(allowedUsers);',
    to: "const users = lower([...allowedUsers, '*']);",
    tests: ['src/adapters/identity/github', 'test/identity/github.test.ts'],
  },
  {
    id: 'S3.4',
    breaks: "the administrators' role is of the bound organization only, read from the table",
    file: 'src/adapters/identity/shared-secret/shared-secret.ts',
    from: 'MCP-Admin',
    to: 'MCP-Nobody',
    tests: ['test/identity/open-webui.test.ts'],
  },
  {
    id: 'S3.3',
    breaks: 'the cookie counts for pages of the own origin alone',
    file: 'src/gateway/rest/rest-request.ts',
    from: 'if (!isOwn || sites.length + origins.length === 0) return undefined;',
    to: '',
    tests: ['test/rest/doors.test.ts'],
  },
  {
    id: 'S3.20',
    breaks: 'a refusal names the caller and the server',
    file: 'src/gateway/rest/refusals.ts',
    from: "code === 'role_denied' || ",
    to: '',
    tests: ['test/rest/facade.test.ts'],
  },
  {
    id: 'S3.19',
    breaks: 'the deprecated form makes no second tool',
    file: 'src/gateway/rest/document.ts',
    from: '{ post: { ...operation, deprecated: true } }',
    to: '{ post: { operationId: unique(one.name, ids), ...operation, deprecated: true } }',
    tests: ['test/rest/openapi.test.ts'],
  },
  {
    id: 'S1.43',
    breaks: 'the OAuth endpoints are limited per address',
    file: 'src/app/control-plane.ts',
    from: '    await deps.takeSignIn(address);',
    to: '    await Promise.resolve(address);',
    tests: ['test/oauth/protection.test.ts'],
  },
  {
    id: 'S1.42',
    breaks: 'a star is answered as a star',
    file: 'src/gateway/receive.ts',
    from: "options.origins.has('*') ? '*' : headers.origin",
    to: 'headers.origin',
    tests: ['test/oauth/variables.test.ts'],
  },
  {
    id: 'S1.19',
    breaks: 'refresh tokens live as long as the setting says',
    file: server,
    from: 'RefreshToken: settings.refreshTokenSeconds',
    to: 'RefreshToken: 86_400',
    tests: ['test/oauth/variables.test.ts'],
  },
  {
    id: 'S1.46',
    breaks: 'a code lives for a minute',
    file: server,
    from: 'AuthorizationCode: 60,',
    to: 'AuthorizationCode: 3600,',
    tests: ['test/oauth/edges.test.ts'],
  },
  {
    id: 'S2.9',
    breaks: 'an ID token is of the version 2.0 endpoint',
    file: 'src/adapters/identity/entra/tokens.ts',
    from: "if (isIdToken && !issuer.endsWith('/v2.0'))",
    to: 'if (isIdToken && !issuer)',
    tests: [entra],
  },
];

const root = join(import.meta.dirname, '..');

/** Red, as it should be; or why not. */
function tryOne(copy: string, { id, file, from, to, tests }: Mutation): 'red' | string {
  const path = join(copy, file);
  const before = readFileSync(path, 'utf8');
  if (before.split(from).length !== 2) return 'the line to break is not there exactly once';
  writeFileSync(
    path,
    before.replace(from, () => to),
  );
  const claimed = `\\[${id.replace('.', '\\.')}\\]`;
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const run = spawnSync(process.execPath, [vitest, 'run', ...tests, '-t', claimed], {
    cwd: copy,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  writeFileSync(path, before);
  const failed = / (\d+) failed/.exec(run.stdout)?.[1];
  if (run.status !== 0 && failed !== undefined) return 'red';
  return run.status === 0 ? 'STILL GREEN' : `did not run: ${run.stderr.slice(0, 300)}`;
}

if (import.meta.main) {
  const asked = process.argv.slice(2);
  const copy = mkdtempSync(join(tmpdir(), 'gatehouse-mutations-'));
  const left = new Set(['.git', '.cache', 'node_modules', 'coverage', 'data']);
  cpSync(root, copy, { recursive: true, filter: (path) => !left.has(path.slice(root.length + 1)) });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  let survived = 0;
  for (const mutation of mutations) {
    if (asked.length > 0 && !asked.includes(mutation.id)) continue;
    const result = tryOne(copy, mutation);
    if (result !== 'red') survived++;
    process.stdout.write(`${mutation.id.padEnd(6)} ${result.padEnd(12)} ${mutation.breaks}\n`);
  }
  rmSync(copy, { recursive: true });
  process.exitCode = survived === 0 ? 0 : 1;
}
