/** A gateway with people of every kind: by its own sign-in, by their identity provider's tokens, and programs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { z } from 'zod';
import { adminTokenFile } from '#admin/admin-token.ts';
import { call, openStream, send } from '#kit/http-client.ts';
import { startFakeOidc } from '#kit/identity/fake-oidc.ts';
import { answerMcp, openSse } from '#kit/recording-upstream.ts';
import { type Person, startSignedInWorld } from '#kit/signed-in-world.ts';

const answer = z.record(z.string(), z.unknown());
const era = '2026-07-28';
const meta = {
  'io.modelcontextprotocol/protocolVersion': era,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'by-hand', version: '1' },
};

export type PeopleWorld = Awaited<ReturnType<typeof openPeopleWorld>>;

/** Well within the second that a change may take. */
export const soon = (work: () => Promise<number>) => expect.poll(work, { timeout: 1000, interval: 20 });

/** `direct`: an identity provider whose own tokens are taken; `platform`: the one that workloads run on. */
export async function openPeopleWorld() {
  const direct = await startFakeOidc({ audience: 'https://gw.example' });
  const platform = await startFakeOidc();
  const workloads = { server: platform };
  const world = await startSignedInWorld({
    extraYaml: '',
    env: {},
    identityYaml: `  - { kind: oidc, name: direct, mode: direct, issuer: '${direct.issuer}', clientId: x, audiences: ['${direct.audience}'], organizationClaim: org }\n`,
    oauthYaml: `, administrators: [boss@example.com, owner@example.com], workloadIssuers: [{ issuer: '${workloads.server.issuer}', jwksUrl: '${workloads.server.jwksUrl}' }]`,
    settings: { workloadIssuers: [{ issuer: workloads.server.issuer, jwksUrl: workloads.server.jwksUrl }] },
  });
  const [gateway] = world.gateways;
  if (!gateway) throw new Error('no gateway');
  const { url } = gateway;
  const adminToken = readFileSync(join(gateway.dataDir, adminTokenFile), 'utf8').trim();

  async function admin(line: string, { body, as = adminToken }: { readonly body?: object; readonly as?: string } = {}) {
    const [method = 'GET', path = ''] = line.split(' ');
    const response = await fetch(`${url}/admin/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${as}`, ...(body && { 'content-type': 'application/json' }) },
      body: body ? JSON.stringify(body) : null,
    });
    const text = await response.text();
    return { status: response.status, text, json: answer.parse(JSON.parse(text)) };
  }

  const good = async (line: string, body?: object) => {
    const { status, json, text } = await admin(line, body ? { body } : {});
    if (status >= 300) throw new Error(`${line}: ${status} ${text}`);
    return json;
  };

  /** HTTP status of a call; an error inside of a 200 counts as 299. */
  async function callTool(token: string, path = '/acme/mcp/team', name = 'retrieve'): Promise<number> {
    const headers = { 'mcp-protocol-version': era, 'mcp-method': 'tools/call', 'mcp-name': name };
    const params = { name, arguments: {}, _meta: meta };
    const { status, text } = await send(url + path, {
      headers: { authorization: `Bearer ${token}`, ...headers },
      body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params },
    });
    return status === 200 && text.includes('"error"') ? 299 : status;
  }

  /** A call whose answer never ends. */
  async function openCall({ auth }: Person, path: string) {
    world.upstream.script((request, res) => {
      if (request.rpc.method === 'tools/call') return void openSse(res);
      return answerMcp(request, res);
    });
    const stream = await openStream(url + path, { headers: auth, body: call('slow') });
    world.upstream.script();
    expect(stream.status).toBe(200);
    return stream;
  }

  async function untilEnd(stream: Awaited<ReturnType<typeof openStream>>): Promise<void> {
    const from = Date.now();
    while (await stream.next());
    expect(Date.now() - from).toBeLessThan(1000);
  }

  const person = (
    email: string,
    memberships: Readonly<Record<string, readonly string[]>> = { acme: [] },
    scope?: string,
  ) => world.signIn({ subject: email, email, ...(scope !== undefined && { scope }) }, memberships);

  await good('POST /organizations/acme/collections', {
    name: 'team',
    allowedRoles: [],
    bindings: [{ server: 'plain' }],
  });
  return {
    ...{ world, url, direct, platform, adminToken, admin, good, callTool, openCall, untilEnd, person },
    async close() {
      await world.close();
      await direct.close();
      await platform.close();
    },
  };
}
