/**
 * The REST façade (REQUIREMENTS S3.18 to S3.22): plain HTTP for programs that speak no MCP, and OpenAPI for those that read
 * it. A request becomes one JSON-RPC message through the very same rooms, so that decisions, limits and audit are those
 * of MCP by construction; what is said at both ends is in words of its own.
 */
import type { ServerResponse } from 'node:http';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { isJsonObject, parseJson } from '#core/json.ts';
import { methodOf, parseFlatName, type RestWish } from '#core/rest-path.ts';
import type { Facade } from '#gateway/channel/door.ts';
import { VirtualRequest } from '#gateway/channel/virtual-exchange.ts';
import type { Asked, Entrance } from '#gateway/entrance.ts';
import type { McpHandler } from '#gateway/gateway.ts';
import { readBody } from '#http/body.ts';
import type { ClientRequest, ClientResponse } from '#http/exchange.ts';
import type { JsonLimits } from '#mcp/json-scan.ts';
import { answersTo, type Said } from './answers.ts';
import type { Cooldown } from './cooldown.ts';
import { messageFor } from './messages.ts';
import { refusalOf } from './refusals.ts';
import { RestRequest } from './rest-request.ts';
import { RestResponse } from './rest-response.ts';

export interface RestDeps {
  readonly mcp: McpHandler;
  readonly json: JsonLimits;
  readonly maxBodyBytes: number;
  readonly cooldown: Cooldown;
  /** Documents of everything name three tools that stand for all (REQUIREMENTS S3.22). */
  readonly metaTools: boolean;
  /** Of an application that shares its sessions with us; undefined: cookies sign nobody in here. */
  readonly cookie: string | undefined;
}

export interface RestAsked {
  readonly wish: RestWish;
  readonly entrance: Entrance;
}

export interface Rest {
  readonly handle: (req: ClientRequest, res: ClientResponse, asked: RestAsked) => void;
  /**
   * `/mcp/{server}_{tool}` may be the address of a collection, too: a JSON-RPC message is for that one, anything else calls
   * the tool.
   */
  readonly handleFlat: (req: ClientRequest, res: ServerResponse, asked: Asked) => void;
}

export function openRest(deps: RestDeps): Rest {
  const handle: Rest['handle'] = (req, res, { wish, entrance }) => {
    const said: { current: Said | undefined } = { current: undefined };
    const facade: Facade = {
      method: req.method ?? '',
      translate(body) {
        if (methodOf(wish) !== methodAsked(req)) throw new GatehouseError('method_not_allowed');
        return messageFor(wish, body, deps.json);
      },
      answers: answersTo(wish, {
        baseUrl: entrance.baseUrl,
        cooldown: deps.cooldown,
        metaTools: deps.metaTools,
        say: (answer) => {
          said.current = answer;
        },
      }),
      refuse: (error, call) => refusalOf(error, call, { wish, baseUrl: entrance.baseUrl }),
    };
    const cookie = entrance.keysOnly ? undefined : deps.cookie;
    deps.mcp(new RestRequest(req, { cookie, baseUrl: entrance.baseUrl }), new RestResponse(res, () => said.current), {
      path: wish.path,
      entrance,
      door: { isInner: false, facade },
    });
  };

  const handleFlat: Rest['handleFlat'] = (req, res, asked) => {
    const flat = parseFlatName(asked.path.name ?? '');
    if (!flat || !hasCredential(req)) return deps.mcp(req, res, asked);
    readBody(req, deps.maxBodyBytes, {
      fail: (error) => answerError(res, error),
      done: (body) => {
        const again = new VirtualRequest({
          method: 'POST',
          url: req.url,
          rawHeaders: req.rawHeaders,
          socket: req.socket,
          body,
        });
        if (!isArguments(body)) return deps.mcp(again, res, asked);
        const path = { organization: undefined, name: flat.server };
        handle(again, res, { wish: { kind: 'call', path, tool: flat.tool }, entrance: asked.entrance });
      },
    });
  };

  return { handle, handleFlat };
}

const methodAsked = ({ method }: ClientRequest): string | undefined => (method === 'HEAD' ? 'GET' : method);

/** Whoever brings none is refused before anything of the body is read. */
function hasCredential({ rawHeaders }: ClientRequest): boolean {
  return rawHeaders.some((name, i) => i % 2 === 0 && /^(?:authorization|x-api-key|cookie)$/i.test(name));
}

/** Anything that MCP could mean is left to it, malformed messages included. */
function isArguments(body: Buffer): boolean {
  if (body.length === 0) return true;
  try {
    const value = parseJson(body.toString('utf8'));
    return isJsonObject(value) && !('jsonrpc' in value);
  } catch {
    return false;
  }
}

function answerError(res: ServerResponse, thrown: unknown): void {
  const error = asGatehouseError(thrown);
  if (res.headersSent) return;
  const body = JSON.stringify({ detail: error.message });
  res.writeHead(error.row.http, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  res.end(body);
}
