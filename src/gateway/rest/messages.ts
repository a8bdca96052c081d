/** The one message that a request becomes: of the modern era, from a client that can be asked nothing. */
import { GatehouseError } from '#core/error.ts';
import { parseJsonObject } from '#core/json.ts';
import type { RestWish } from '#core/rest-path.ts';
import { type JsonLimits, JsonScanner, memberString } from '#mcp/json-scan.ts';
import { findMember } from '#mcp/message.ts';
import { MODERN_VERSION } from '#mcp/versions.ts';
import { callIn } from './meta.ts';

const meta = JSON.stringify({
  'io.modelcontextprotocol/protocolVersion': MODERN_VERSION,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'gatehouse-rest', version: '1' },
});

/** Throws GatehouseError `bad_request`, `parse_error`, `invalid_request`, `not_found`. */
export function messageFor(wish: RestWish, body: Buffer, json: JsonLimits): Buffer {
  if (wish.kind === 'call') return callOf(wish.tool, argumentsIn(body, json));
  if (wish.kind === 'meta' && wish.tool !== 'stats') return metaCall(wish.tool, argumentsIn(body, json));
  if (wish.kind !== 'refresh' && body.length > 0)
    throw new GatehouseError('bad_request', { message: 'A GET request must not have a body' });
  // Who only asks what servers there are asks none of them.
  return request(wish.kind === 'servers' || wish.kind === 'tenants' ? 'server/discover' : 'tools/list', []);
}

/** What is called is what the record of the call names. */
function metaCall(tool: string, body: Buffer): Buffer {
  if (tool !== 'call_tool') return callOf(tool, body);
  const { name, args } = callIn(parseJsonObject(body.toString('utf8')));
  return callOf(name, Buffer.from(JSON.stringify(args)));
}

function callOf(tool: string, args: Buffer): Buffer {
  return request('tools/call', [Buffer.from(`"name":${JSON.stringify(tool)},"arguments":`), args, Buffer.from(',')]);
}

function request(method: string, params: readonly Buffer[]): Buffer {
  return Buffer.concat([
    Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":{`),
    ...params,
    Buffer.from(`"_meta":${meta}}}`),
  ]);
}

const OPEN_OBJECT = 0x7b;

/** Checked to be one JSON object and nothing beside: it goes into the message digit for digit. */
function argumentsIn(body: Buffer, json: JsonLimits): Buffer {
  if (body.length === 0) return Buffer.from('{}');
  const first = body.find((byte) => byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09);
  if (first === undefined) return Buffer.from('{}');
  if (first !== OPEN_OBJECT) throw new GatehouseError('bad_request', { message: 'The body must be a JSON object' });
  const { members } = new JsonScanner(body, json).scanObject('');
  const version = memberString(body, findMember(members, 'jsonrpc'));
  // A client of MCP at an address that is none: its message is no arguments.
  if (version === '2.0' && findMember(members, 'method')) throw new GatehouseError('not_found');
  return body;
}
