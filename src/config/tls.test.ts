import { expect, test } from 'vitest';
import { loadConfig } from './load.ts';

const load = (env: Readonly<Record<string, string>>) => loadConfig({ env, cwd: '/srv', readFile: () => undefined });

test('a certificate and its key are required together, and make the gateway one of https', () => {
  expect(() => load({ TLS_CERT_PATH: 'cert.pem' })).toThrow('TLS_CERT_PATH and TLS_KEY_PATH are required together');
  const { http, warnings } = load({ TLS_CERT_PATH: 'cert.pem', TLS_KEY_PATH: '/keys/key.pem', PORT: '3443' });
  expect(http.tls?.certFile).toMatch(/^\/.*cert\.pem$/);
  expect([http.tls?.keyFile, http.baseUrl, warnings]).toEqual(['/keys/key.pem', 'https://localhost:3443', []]);
});
