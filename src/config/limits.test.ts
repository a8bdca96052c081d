import { describe, expect, test } from 'vitest';
import { callLimits, listenerOptions } from '#app/gateway-settings.ts';
import { loadConfig } from './load.ts';

const load = (env: Record<string, string>, file?: string) =>
  loadConfig({
    env,
    cwd: '/etc/gatehouse',
    readFile: (path) => (path === '/etc/gatehouse/gatehouse.yaml' ? file : undefined),
  });

describe('limits from variables', () => {
  test('nothing is set: our own figures', () => {
    expect(callLimits(load({}))).toMatchObject({
      ...{ enabled: true, perPrincipalPerMinute: 600, perStrangerPerMinute: 300, retryAfterSeconds: undefined },
    });
  });

  test.each([
    ['WEBUI_SECRET_KEY', { WEBUI_SECRET_KEY: 'a-secret-of-thirty-two-characters-or-more' }, 100, 1000],
    ['RATE_LIMIT_ENABLED', { RATE_LIMIT_ENABLED: 'true' }, 100, 1000],
    ['RATE_LIMIT_PER_MINUTE', { RATE_LIMIT_PER_MINUTE: '50' }, 50, 1000],
    ['RATE_LIMIT_PER_IP', { RATE_LIMIT_PER_IP: '70' }, 100, 70],
  ])('%s brings the figures and answers of Open WebUI [S3.6]', (_name, set, perPrincipal, perAddress) => {
    const env = {
      ...{ DATABASE_URL: 'postgresql://localhost/x', ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB' },
      ...set,
    };
    const yaml = 'organizations: [{ slug: acme, name: Acme }]\nidentity: [{ kind: local, organization: acme }]\n';
    const config = load(env, 'WEBUI_SECRET_KEY' in set ? 'organizations: [{ slug: acme, name: Acme }]\n' : yaml);
    expect(config.limits.openWebui).toBe(true);
    expect(callLimits(config)).toMatchObject({
      ...{ perPrincipalPerMinute: perPrincipal, perStrangerPerMinute: perAddress, retryAfterSeconds: 60 },
    });
  });

  test('what the file says stands beside them, and RATE_LIMIT_ENABLED=false counts nothing [S3.6]', () => {
    const config = load({ RATE_LIMIT_ENABLED: 'false' }, 'limits: { principal: { requestsPerMinute: 42 } }\n');
    expect(callLimits(config)).toMatchObject({ enabled: false, perPrincipalPerMinute: 42, perStrangerPerMinute: 1000 });
  });

  test('API_RATE_LIMIT, MAX_CONCURRENT_SESSIONS and MAX_REQUEST_SIZE are what they were [S4.11]', () => {
    const config = load({ API_RATE_LIMIT: '1000', MAX_CONCURRENT_SESSIONS: '500', MAX_REQUEST_SIZE: '2MB' });
    expect(callLimits(config)).toMatchObject({
      ...{ perPrincipalPerMinute: 1000, perStrangerPerMinute: 300, streamsPerReplica: 500 },
    });
    expect(config.limits.openWebui).toBe(false);
    expect(config.limits.request.mcpBytes).toBe(2 * 1024 * 1024);
  });

  test('connections are counted by address, this machine and trusted proxies aside [E9]', () => {
    const { perAddress } = listenerOptions(load({ TRUSTED_PROXIES: '10.0.0.0/8' }));
    expect(perAddress?.max).toBe(100);
    const exempt = ['127.0.0.1', '::ffff:127.0.0.1', '::1', '10.1.2.3', '::ffff:10.1.2.3', '192.0.2.1', '2001:db8::1'];
    expect(exempt.map((address) => perAddress?.isExempt(address))).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  test.each([
    ['limits: { rules: [{ organization: acme, tool: echo, points: 1 }] }', /names a tool and no server/],
    ['limits: { rules: [{ organization: acme }] }', /needs points or concurrent/],
    ['limits: { retry: { attempts: 1 } }', /retry/],
  ])('%s is refused', (yaml, message) => {
    expect(() => load({}, `${yaml}\n`)).toThrow(message);
  });
});
