/** One call of a tool: from its arguments to a request, and from the API's answer to the caller's. */
import type { Answer } from '#adapters/upstream/message-stream/answer.ts';
import { errorLine, type Line } from '#adapters/upstream/message-stream/line.ts';
import { idOf } from '#adapters/upstream/message-stream/local-answers.ts';
import type { UpstreamCall } from '#adapters/upstream/upstream.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import { describeAuth } from './credential.ts';
import { RpcProblem } from './local-server.ts';
import type { Operation } from './plan.ts';
import { ArgumentProblem, CredentialProblem } from './problem.ts';
import { buildRequest, type RestRequest } from './request.ts';
import type { RestAnswer } from './rest-client.ts';
import { problemResult, resultOf } from './result.ts';

export interface Asked {
  readonly call: UpstreamCall;
  readonly line: Line;
  readonly answer: Answer;
}

/** Of what the gateway sends to an MCP server, what an API may have as well. */
const passedOn =
  /^(x-user-(id|email|name|groups|admin)|x-gateway-validated|x-organization-id|x-request-id|traceparent)$/;

interface Requesting {
  readonly basePath: string;
  readonly call: UpstreamCall;
  readonly operation: Operation;
  readonly args: JsonObject;
}

export function requestFor({ call, operation, args, basePath }: Requesting): RestRequest {
  const { credential } = call;
  const secret = credential?.reveal();
  const given = Object.entries(call.headers);
  const own = given.filter(([name]) => passedOn.test(name));
  return buildRequest({
    operation,
    args,
    basePath,
    headers: { ...Object.fromEntries(own), 'user-agent': 'gatehouse', 'accept-encoding': 'identity' },
    credential,
    bindingHeader: secret === undefined ? undefined : given.find(([, value]) => value.includes(secret)),
  });
}

interface Taking {
  readonly server: string;
  readonly operation: Operation;
  readonly answer: RestAnswer;
}

export function takeAnswer(asked: Asked, { server, operation, answer }: Taking): void {
  const { credential } = asked.call;
  const wanted = describeAuth(operation.auth);
  // As any server's word on the credential: the gateway renews one that can be renewed.
  if (answer.status === 401 && credential && wanted !== undefined) asked.answer.fail(refused(server, wanted));
  else {
    const why = answer.status === 401 ? whyUnknown(server, wanted) : undefined;
    finishTool(asked, resultOf(answer, { operation, credential, why }));
  }
}

function whyUnknown(server: string, wanted: string | undefined): string {
  return wanted === undefined
    ? 'The API wants a credential, although its document says that this operation needs none: none was sent.'
    : `The server "${server}" has no credential here and the API wants one: ${wanted}. An administrator gives it one.`;
}

/** Nothing of the API's own words: they may repeat what it was sent. */
function refused(server: string, wanted: string): GatehouseError {
  const message = `The API refused the credential of the server "${server}" (${wanted}) with status 401: an administrator renews it, or whoever connected the account connects it again`;
  return new GatehouseError('upstream_refused', { message });
}

export function finishTool(asked: Asked, result: JsonObject): void {
  finish(asked, JSON.stringify(asked.call.era === 'modern' ? { resultType: 'complete', ...result } : result));
}

/** `result` as JSON. */
export function finish({ line, answer }: Asked, result: string): void {
  answer.finish(Buffer.from(`{"jsonrpc":"2.0","id":${idOf(line).toString()},"result":${result}}`));
}

export function finishWith(asked: Asked, thrown: unknown): void {
  if (thrown instanceof ArgumentProblem)
    finishTool(asked, problemResult(`The arguments are wrong:\n- ${thrown.message}`));
  else if (thrown instanceof CredentialProblem) finishTool(asked, problemResult(thrown.message));
  else if (thrown instanceof RpcProblem) {
    const { code, message, status, data } = thrown;
    const shown = asked.call.era === 'modern' ? status : 200;
    asked.answer.finish(errorLine(idOf(asked.line), code, message, data), shown);
  } else asked.answer.fail(asGatehouseError(thrown));
}
