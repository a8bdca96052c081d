/** Tools of the conformance fixture that ask the client something: by request (legacy) and by `input_required` (modern). */
import { randomUUID } from 'node:crypto';
import type { ElicitRequestFormParams, InputRequests, McpServer, ServerContext } from '@modelcontextprotocol/server';
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  inputRequired,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { noArguments, text } from './content.ts';

interface RoundState extends Record<string, unknown> {
  readonly round: number;
  readonly nonce: string;
}

const codec = createRequestStateCodec<RoundState>({ key: crypto.getRandomValues(new Uint8Array(32)) });
export const verifyRequestState = codec.verify;
const mint = (round: number) => codec.mint({ round, nonce: randomUUID() });

const ask = (message: string, field: string) =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: 'object', properties: { [field]: { type: 'string' } }, required: [field] },
  });
const confirmation = () =>
  inputRequired.elicit({
    message: 'Please confirm',
    requestedSchema: { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] },
  });
const sample = (question: string) =>
  inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: question } }],
    maxTokens: 64,
  });

/** Either era's way, in the same tool: by a request on the stream of the call itself, or by `input_required`. */
async function askEither(
  ctx: ServerContext,
  question: InputRequests[string],
  tell: (answer: Record<string, unknown>) => string,
) {
  // `elicitInput` of the library would use the GET stream, which may not be open yet.
  if (ctx.mcpReq.envelope === undefined) {
    const answer = anyObject.parse(await ctx.mcpReq.send(question, anyObject));
    return text(tell(answer));
  }
  const answer = ctx.mcpReq.inputResponses?.asked;
  if (answer === undefined) return inputRequired({ inputRequests: { asked: question } });
  return text(tell(anyObject.parse(answer)));
}

const anyObject = z.record(z.string(), z.unknown());

export function registerLegacyQuestions(server: McpServer): void {
  server.registerTool(
    'test_sampling',
    { description: 'Asks the client for a completion', inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }, ctx) =>
      askEither(ctx, sample(prompt), ({ content }) => {
        const [block] = z.array(z.looseObject({ text: z.string().optional() })).parse([content].flat());
        return `LLM response: ${block?.text ?? 'none'}`;
      }),
  );
  server.registerTool(
    'test_elicitation',
    { description: 'Asks the user for a name and an address', inputSchema: z.object({ message: z.string() }) },
    async ({ message }, ctx) => {
      const question = inputRequired.elicit({
        message,
        requestedSchema: {
          type: 'object',
          properties: {
            username: { type: 'string', description: "User's response" },
            email: { type: 'string', description: "User's email address" },
          },
          required: ['username', 'email'],
        },
      });
      return askEither(
        ctx,
        question,
        ({ action, content }) => `User response: action: ${action}, content: ${JSON.stringify(content)}`,
      );
    },
  );
  registerForm(server, 'test_elicitation_sep1034_defaults', {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  });
  const titled = (kind: string) => [
    { const: 'value1', title: `First ${kind}` },
    { const: 'value2', title: `Second ${kind}` },
    { const: 'value3', title: `Third ${kind}` },
  ];
  registerForm(server, 'test_elicitation_sep1330_enums', {
    untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
    titledSingle: { type: 'string', oneOf: titled('Option') },
    legacyEnum: {
      type: 'string',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
    titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
  });
}

function registerForm(
  server: McpServer,
  name: string,
  properties: ElicitRequestFormParams['requestedSchema']['properties'],
): void {
  const question = inputRequired.elicit({
    message: 'Please fill in the form',
    requestedSchema: { type: 'object', properties },
  });
  server.registerTool(name, { description: 'Asks by a form', inputSchema: noArguments }, async (_args, ctx) =>
    askEither(
      ctx,
      question,
      ({ action, content }) => `Elicitation completed: action=${action}, content=${JSON.stringify(content)}`,
    ),
  );
}

export function registerModernQuestions(server: McpServer): void {
  server.registerTool(
    'test_missing_capability',
    { description: 'Needs the sampling capability', inputSchema: noArguments },
    async (_args, ctx) =>
      ctx.mcpReq.inputResponses?.answer === undefined
        ? inputRequired({ inputRequests: { answer: sample('Say pong') } })
        : text('sampled'),
  );
  server.registerTool(
    'test_input_required_result_elicitation',
    { description: 'Asks for a name', inputSchema: noArguments },
    async (_args, ctx) => {
      const name = acceptedContent<{ name: string }>(ctx.mcpReq.inputResponses, 'user_name')?.name;
      if (typeof name === 'string') return text(`Hello, ${name}!`);
      return inputRequired({ inputRequests: { user_name: ask('What is your name?', 'name') } });
    },
  );
  server.registerTool(
    'test_input_required_result_sampling',
    { description: 'Asks the model', inputSchema: noArguments },
    async (_args, ctx) => {
      const answer = ctx.mcpReq.inputResponses?.capital_question;
      if (answer !== undefined) return text(`The model said: ${JSON.stringify(answer)}`);
      return inputRequired({ inputRequests: { capital_question: sample('What is the capital of France?') } });
    },
  );
  server.registerTool(
    'test_input_required_result_list_roots',
    { description: 'Asks for the roots', inputSchema: noArguments },
    async (_args, ctx) => {
      const answer = ctx.mcpReq.inputResponses?.client_roots;
      if (answer !== undefined) return text(`Roots: ${JSON.stringify(answer)}`);
      return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
    },
  );
  server.registerTool(
    'test_input_required_result_multiple_inputs',
    { description: 'Asks three things at once', inputSchema: noArguments },
    async (_args, ctx) => {
      const answers = ctx.mcpReq.inputResponses ?? {};
      if (['user_name', 'greeting', 'client_roots'].every((key) => answers[key] !== undefined))
        return text('All three answered');
      return inputRequired({ inputRequests: everyQuestion(), requestState: await mint(1) });
    },
  );
  server.registerTool(
    'test_input_required_result_capabilities',
    { description: 'Asks only what the client can answer', inputSchema: noArguments },
    async (_args, ctx) => {
      const inputRequests = answerable(ctx, server);
      return Object.keys(inputRequests).length > 0 ? inputRequired({ inputRequests }) : text('Nothing to ask');
    },
  );
  registerStateful(server);
}

const everyQuestion = (): InputRequests => ({
  user_name: ask('What is your name?', 'name'),
  greeting: sample('Greet the user'),
  client_roots: inputRequired.listRoots(),
});

const capabilities = z.object({
  elicitation: z.unknown().optional(),
  sampling: z.unknown().optional(),
  roots: z.unknown().optional(),
});
const envelope = z.object({ [CLIENT_CAPABILITIES_META_KEY]: capabilities });

function answerable(ctx: ServerContext, server: McpServer): InputRequests {
  const told = ctx.mcpReq.envelope;
  const declared = told
    ? envelope.parse(told)[CLIENT_CAPABILITIES_META_KEY]
    : capabilities.parse(server.server.getClientCapabilities());
  const { user_name, greeting, client_roots } = everyQuestion();
  return {
    ...(declared.elicitation !== undefined && user_name && { user_name }),
    ...(declared.sampling !== undefined && greeting && { greeting }),
    ...(declared.roots !== undefined && client_roots && { client_roots }),
  };
}

function registerStateful(server: McpServer): void {
  for (const [name, done] of [
    ['test_input_required_result_request_state', 'state-ok'],
    ['test_input_required_result_tampered_state', 'integrity-ok'],
  ] as const) {
    server.registerTool(
      name,
      { description: 'Asks for a confirmation under a sealed state', inputSchema: noArguments },
      async (_args, ctx) => {
        if (!acceptedContent(ctx.mcpReq.inputResponses, 'confirm'))
          return inputRequired({ inputRequests: { confirm: confirmation() }, requestState: await mint(1) });
        if (ctx.mcpReq.requestState<RoundState>() === undefined)
          throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'requestState is missing');
        return text(done);
      },
    );
  }
  server.registerTool(
    'test_input_required_result_multi_round',
    { description: 'Asks twice', inputSchema: noArguments },
    async (_args, ctx) => {
      const round = ctx.mcpReq.requestState<RoundState>()?.round ?? 0;
      const answers = ctx.mcpReq.inputResponses;
      if (round === 2 && acceptedContent(answers, 'step2')) return text('Both steps answered');
      if (round === 1 && acceptedContent(answers, 'step1'))
        return inputRequired({
          inputRequests: { step2: ask('What is your favourite colour?', 'color') },
          requestState: await mint(2),
        });
      return inputRequired({
        inputRequests: { step1: ask('What is your name?', 'name') },
        requestState: await mint(1),
      });
    },
  );
}

/** The prompt that asks first: `prompts/get` may answer `input_required` as tools do. */
export function registerAskingPrompt(server: McpServer): void {
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description: 'Asks for a context before it answers' },
    async (ctx: ServerContext) => {
      const context = acceptedContent<{ context: string }>(ctx.mcpReq.inputResponses, 'user_context')?.context;
      if (typeof context !== 'string')
        return inputRequired({
          inputRequests: { user_context: ask('What context should the prompt use?', 'context') },
        });
      return { messages: [{ role: 'user', content: { type: 'text', text: `Context: ${context}` } }] };
    },
  );
}
