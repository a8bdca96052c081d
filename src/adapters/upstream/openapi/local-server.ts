/** The MCP server in front of an API: both eras, no sessions, nothing but tools. Messages in, results out. */
import { isJsonObject, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { withServerInfo } from '#mcp/bridge/envelope.ts';
import { legacyVersions, MODERN_VERSION } from '#mcp/versions.ts';
import type { Api } from './plan.ts';

const PAGE = 100;
/** A document changes with its digest, and that is another server definition. */
const TTL_MS = 300_000;

export class RpcProblem extends Error {
  readonly code: number;
  /** Of the HTTP answer, in the modern era. */
  readonly status: number;
  readonly data: JsonObject | undefined;

  constructor(code: number, message: string, more: { readonly status: number; readonly data?: JsonObject }) {
    super(message);
    this.code = code;
    this.status = more.status;
    this.data = more.data;
  }
}

export interface Asking {
  readonly method: string;
  readonly params: JsonObject;
  readonly era: 'legacy' | 'modern';
  /** The one revision that it may answer with. */
  readonly pinned: string | undefined;
}

/** The result of everything but `tools/call`, as JSON. Throws RpcProblem. */
export function answerLocally(api: Api, asking: Asking): string {
  return asking.method === 'tools/list' ? toolPage(api, asking) : JSON.stringify(answer(api, asking));
}

function answer(api: Api, asking: Asking): JsonObject {
  const { method, params, era } = asking;
  const isModern = era === 'modern';
  if (isModern) checkVersion(params);
  if (method === 'ping') return isModern ? { resultType: 'complete' } : {};
  if (method === 'initialize' && !isModern) return initialize(api, asking);
  if (method === 'server/discover' && isModern) return withServerInfo(discover(api), serverInfo(api));
  throw new RpcProblem(-32601, 'Method not found', { status: isModern ? 404 : 200 });
}

export function checkVersion(params: JsonObject): void {
  const requested = stringIn(objectIn(params, '_meta'), 'io.modelcontextprotocol/protocolVersion');
  if (requested === MODERN_VERSION) return;
  const data = { supported: [MODERN_VERSION], requested: requested ?? '' };
  throw new RpcProblem(-32022, 'Unsupported protocol version', { status: 400, data });
}

const serverInfo = (api: Api): JsonObject => ({ name: api.title, version: api.version === '' ? '0' : api.version });

function initialize(api: Api, { params, pinned }: Asking): JsonObject {
  const asked = stringIn(params, 'protocolVersion') ?? '';
  const latest = legacyVersions[0] ?? asked;
  const protocolVersion = pinned ?? (legacyVersions.includes(asked) ? asked : latest);
  return { protocolVersion, capabilities: { tools: {} }, serverInfo: serverInfo(api), ...instructions(api) };
}

function discover(api: Api): JsonObject {
  return {
    resultType: 'complete',
    supportedVersions: [MODERN_VERSION],
    capabilities: { tools: {} },
    ...instructions(api),
    ttlMs: TTL_MS,
    cacheScope: 'public',
  };
}

function instructions({ description }: Api): JsonObject {
  return description === undefined || description === ''
    ? {}
    : { instructions: description.slice(0, 2000).toWellFormed() };
}

/** Definitions are text already. */
function toolPage(api: Api, { params, era }: Asking): string {
  if (era === 'modern') checkVersion(params);
  const { cursor } = params;
  const at = cursor === undefined ? 0 : typeof cursor === 'string' && /^\d{1,5}$/.test(cursor) ? Number(cursor) : -1;
  const { size } = api.tools;
  if (at < 0 || (at > 0 && at >= size)) throw new RpcProblem(-32602, 'Invalid cursor', { status: 400 });
  const tools = [...api.tools.values()].slice(at, at + PAGE).map(({ definition }) => definition);
  const next = at + PAGE < size ? `,"nextCursor":"${at + PAGE}"` : '';
  const more = era === 'modern' ? `,"resultType":"complete","ttlMs":${TTL_MS},"cacheScope":"public"` : '';
  return `{"tools":[${tools.join(',')}]${next}${more}}`;
}

/** Throws RpcProblem. */
export function readCall(params: JsonObject): { readonly name: string; readonly args: JsonObject } {
  const name = stringIn(params, 'name');
  const { arguments: given = {} } = params;
  if (name === undefined) throw new RpcProblem(-32602, 'params.name must be a string', { status: 400 });
  if (!isJsonObject(given)) throw new RpcProblem(-32602, 'params.arguments must be an object', { status: 400 });
  return { name, args: given };
}
