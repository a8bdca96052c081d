/** Microsoft Graph as far as groups need it: getMemberObjects, in pages, for applications with the permission. */
import type { EntraUser } from './fake-entra-tokens.ts';
import { graphHost } from './fake-entra-tokens.ts';
import type { FakeReply, RecordedRequest } from './fake-server.ts';

export interface GraphState {
  readonly tenants: Readonly<Record<string, readonly EntraUser[]>>;
  /** Application token → the directory it is good in. */
  readonly appTokens: ReadonlyMap<string, string>;
  readonly refused: boolean;
  readonly page: number;
}

const fault = (status: number, code: string, message: string): FakeReply => ({
  status,
  body: {
    error: { code, message, innerError: { date: '2026-01-01T00:00:00', 'request-id': 'r', 'client-request-id': 'c' } },
  },
});

export function answerGraph(request: RecordedRequest, state: GraphState): FakeReply | undefined {
  const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const tenant = state.appTokens.get(bearer);
  if (tenant === undefined) return fault(401, 'InvalidAuthenticationToken', 'Access token is empty or invalid.');
  const oid = /^\/v1\.0\/users\/([^/]+)\/getMemberObjects$/.exec(request.path)?.[1];
  if (oid === undefined) return undefined;
  if (state.refused)
    return fault(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.');
  const user = state.tenants[tenant]?.find((one) => one.oid === oid);
  if (!user) return fault(404, 'Request_ResourceNotFound', `Resource '${oid}' does not exist.`);
  const from = Number(request.query.get('$skiptoken') ?? 0);
  if (request.query.has('$skiptoken') ? request.method !== 'GET' : !asksForGroups(request)) {
    return fault(400, 'Request_BadRequest', "The parameter 'securityEnabledOnly' is missing.");
  }
  const groups = user.groups ?? [];
  const next = from + state.page;
  return {
    status: 200,
    body: {
      '@odata.context': `https://${graphHost}/v1.0/$metadata#Collection(Edm.String)`,
      ...(next < groups.length && { '@odata.nextLink': `https://${graphHost}${request.path}?$skiptoken=${next}` }),
      value: groups.slice(from, next),
    },
  };
}

function asksForGroups({ method, headers, body }: RecordedRequest): boolean {
  if (method !== 'POST' || !headers['content-type']?.startsWith('application/json')) return false;
  return typeof JSON.parse(body).securityEnabledOnly === 'boolean';
}
