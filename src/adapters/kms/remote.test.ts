/** The services, each against an emulator that speaks its wire format and checks what it is sent. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { asOrgId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { awsKeyId, startAwsEmulator } from '#kit/kms/aws.ts';
import type { KmsAnswer, KmsEmulator } from '#kit/kms/emulator.ts';
import { googleKey, startAzureEmulator, startGoogleEmulator, startVaultEmulator } from '#kit/kms/others.ts';
import { kmsAdapters, openSeveral } from './index.ts';
import { kmsContract } from './kms.contract.ts';
import type { Kms } from './kms.ts';

type Settings = { readonly kind: string } & Readonly<Record<string, unknown>>;

const context = { org: asOrgId('0197a000-0000-7000-8000-000000000001'), dekId: 'dek-1' };
const account = { accessKeyId: 'AKIAGATEHOUSE', secretAccessKey: 'the-secret-access-key' };

const open = (settings: Settings, files: Readonly<Record<string, string>> = {}): Promise<Kms> =>
  kmsAdapters.open(kmsAdapters.config.parse(settings), {
    rootSecret: new Secret('a root secret of thirty-two characters or more'),
    ...{ clock: systemClock, log: silentLog, pauseMs: () => 0 },
    readFile: async (path) => files[path] ?? Promise.reject(new Error('no such file')),
  });

interface Service {
  readonly start: () => Promise<KmsEmulator & { readonly rotate?: () => void; readonly account?: string }>;
  readonly settings: (emulator: KmsEmulator & { readonly account?: string }) => Settings;
  readonly throttled: KmsAnswer;
  /** Other ways to sign in. */
  readonly others: Readonly<Record<string, (emulator: KmsEmulator) => Settings>>;
  readonly files?: Readonly<Record<string, string>>;
}

const aws = (emulator: KmsEmulator) => ({
  kind: 'aws',
  keyId: awsKeyId,
  region: 'eu-central-1',
  endpoint: emulator.url,
});
const azure = ({ url }: KmsEmulator) => ({ kind: 'azure', vaultUrl: url, key: 'gatehouse' });
const vault = ({ url }: KmsEmulator) => ({ kind: 'vault', address: url, key: 'gatehouse' });
const google = ({ url }: KmsEmulator) => ({ kind: 'google', key: googleKey, endpoint: url });

const services: Readonly<Record<string, Service>> = {
  'AWS KMS': {
    start: () => startAwsEmulator(account),
    settings: (emulator) => ({ ...aws(emulator), ...account }),
    throttled: { status: 400, body: { __type: 'ThrottlingException', message: 'Rate exceeded' } },
    others: {
      'web identity': (e) => ({
        ...{ ...aws(e), roleArn: 'arn:aws:iam::1:role/gatehouse', webIdentityTokenFile: '/token', stsEndpoint: e.url },
      }),
      container: (e) => ({ ...aws(e), containerCredentialsUri: `${e.url}/container`, containerTokenFile: '/pod' }),
      instance: (e) => ({ ...aws(e), instanceEndpoint: e.url }),
    },
    files: { '/token': 'web-identity\n', '/pod': 'pod-token' },
  },
  'Google Cloud KMS': {
    start: startGoogleEmulator,
    settings: (emulator) => ({ ...google(emulator), credentials: emulator.account }),
    throttled: { status: 429, body: { error: { status: 'RESOURCE_EXHAUSTED' } } },
    others: { 'metadata server': (e) => ({ ...google(e), metadataEndpoint: e.url }) },
  },
  'Azure Key Vault': {
    start: startAzureEmulator,
    settings: (e) => ({
      ...{ ...azure(e), authority: e.url, tenantId: 'directory', clientId: 'app', clientSecret: 'app-secret' },
    }),
    throttled: { status: 429, body: { error: { code: 'Throttled' } } },
    others: { 'managed identity': (e) => ({ ...azure(e), metadataEndpoint: e.url }) },
  },
  'HashiCorp Vault': {
    start: startVaultEmulator,
    settings: (e) => ({ ...vault(e), token: 'root-token' }),
    throttled: { status: 429, body: { errors: ['rate limit'] } },
    others: {
      AppRole: (e) => ({ ...vault(e), roleId: 'role', secretId: 'approle-secret' }),
      Kubernetes: (e) => ({ ...vault(e), kubernetesRole: 'gatehouse', jwtFile: '/jwt' }),
    },
    files: { '/jwt': 'pod-jwt' },
  },
};

describe.each(Object.entries(services))('%s', (_name, service) => {
  let emulator: Awaited<ReturnType<Service['start']>>;
  const start = () => open(service.settings(emulator), service.files);
  beforeAll(async () => {
    emulator = await service.start();
  });
  afterAll(() => emulator?.close());
  beforeEach(() => {
    Object.assign(emulator, { disabled: false, away: false });
  });

  kmsContract(start);

  test.each(Object.entries(service.others))('signs in by %s too, once for many calls', async (_way, settings) => {
    const kms = await open(settings(emulator), service.files);
    const dek = randomBytes(32);
    const before = emulator.requests.length;
    const wrapped = await kms.wrap(dek, context);
    const first = emulator.requests.length - before;
    expect((await kms.unwrap(wrapped, context)).equals(dek)).toBe(true);
    expect(emulator.requests.length - before).toBe(first + 1);
  });

  test('throttling, server errors and broken connections are tried again, a few times', async () => {
    const kms = await start();
    const dek = randomBytes(32);
    for (const fault of [service.throttled, { status: 503, body: 'busy' }, 'hang up'] as const) {
      const wrapped = await kms.wrap(dek, context);
      emulator.fail(2, fault);
      expect((await kms.unwrap(wrapped, context)).equals(dek)).toBe(true);
      emulator.fail(3, fault);
      await expect(kms.unwrap(wrapped, context)).rejects.toThrow('no answer');
    }
  });

  test('a key that is switched off is refused at once, and the reason quotes nothing that was sent', async () => {
    const kms = await start();
    const wrapped = await kms.wrap(randomBytes(32), context);
    emulator.disabled = true;
    const before = emulator.requests.length;
    const refusal = await kms.unwrap(wrapped, context).catch((error: unknown) => error);
    expect(emulator.requests.length - before).toBe(1);
    expect(String(refusal)).toMatch(/refused with 40[03]/);
    expect(String(refusal)).not.toMatch(/the-secret|app-secret|root-token|approle-secret/);
  });

  test('a newer version of the key wraps once it is known, the old one still unwraps', async () => {
    if (!emulator.rotate) return expect(service.start).toBe(services['AWS KMS']?.start);
    const kms = await start();
    const dek = randomBytes(32);
    const old = await kms.wrap(dek, context);
    emulator.rotate();
    await kms.refresh?.();
    expect(kms.kekId).not.toBe(old.kekId);
    expect((await kms.unwrap(old, context)).equals(dek)).toBe(true);
    const young = await kms.wrap(dek, context);
    expect(young.kekId).toBe(kms.kekId);
    expect((await (await start()).unwrap(young, context)).equals(dek)).toBe(true);
  });

  test('rows of the environment still open after the move to it, and new ones are its own', async () => {
    const environment = await open({ kind: 'environment' });
    const dek = randomBytes(32);
    const old = await environment.wrap(dek, context);
    const both = openSeveral(await start(), [environment]);
    expect((await both.unwrap(old, context)).equals(dek)).toBe(true);
    expect((await both.wrap(dek, context)).kekId).not.toBe(old.kekId);
    await expect(both.unwrap({ ...old, kekId: 'env-0000' }, context)).rejects.toThrow('No configured key management');
  });
});

test('a row cannot send what it holds to another vault', async () => {
  const kms = await open({ kind: 'azure', vaultUrl: 'https://mine.example', key: 'gatehouse' });
  for (const kekId of [
    'azure:https://evil.example/keys/gatehouse/1',
    'azure:https://mine.example/keys/gatehouse/../x/1',
  ])
    await expect(kms.unwrap({ kekId, wrapped: 'AAAA' }, context)).rejects.toThrow('not configured');
});
