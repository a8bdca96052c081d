/** Call records for tests and benches. */
import { asOrgId, uuidv7 } from '#core/ids.ts';
import type { CallRecord } from '#records/call-record.ts';

export function callRecord(fields: Partial<CallRecord> = {}): CallRecord {
  return {
    id: uuidv7(Date.now()),
    at: 1_800_000_000_000,
    requestId: '0197a000-0000-7000-8000-0000000000aa',
    org: asOrgId('0197a000-0000-7000-8000-000000000001'),
    principalKind: 'user',
    issuer: 'https://login.example.com',
    subject: 'user_01H8XYZ',
    email: 'ada@example.com',
    clientAddress: '192.0.2.7',
    userAgent: 'example-client/1.2',
    httpMethod: 'POST',
    path: '/acme/mcp/docs',
    endpoint: 'docs',
    server: 'ragie',
    rpcMethod: 'tools/call',
    name: 'retrieve',
    decision: 'allow',
    reason: null,
    status: 200,
    open: false,
    durationMs: 12.5,
    upstreamMs: 11.2,
    bytesIn: 312,
    bytesOut: 2048,
    ...fields,
  };
}
