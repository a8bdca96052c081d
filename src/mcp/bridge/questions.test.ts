import { describe, expect, test } from 'vitest';
import { type JsonObject, parseJsonObject } from '#core/json.ts';
import { checkAnswer, fromInputResponse } from './answers.ts';
import { isQuestion, mayAsk, requiredCapabilities, toInputRequest, toLegacyQuestion } from './questions.ts';

const form: JsonObject = {
  message: 'Who?',
  requestedSchema: {
    type: 'object',
    properties: {
      name: { type: 'string' },
      age: { type: 'integer' },
      ok: { type: 'boolean' },
      one: { type: 'string', enum: ['a', 'b'] },
      titled: { type: 'string', oneOf: [{ const: 'a', title: 'A' }] },
      many: { type: 'array', items: { type: 'string', enum: ['a', 'b'] } },
    },
    required: ['name'],
  },
};
const ask = { method: 'elicitation/create', params: form };
const url = { mode: 'url', url: 'https://example.com', message: 'Open' };
const asking = (version: string) => ({ version, newElicitationId: () => 'new' });

describe("a legacy server's question", () => {
  test('loses what belongs to its own revision', () => {
    const params = { ...url, elicitationId: 'e', task: { ttl: 1 }, _meta: { progressToken: 1 } };
    expect(toInputRequest('elicitation/create', params)).toEqual({ method: 'elicitation/create', params: url });
    expect(toInputRequest('roots/list', undefined)).toEqual({ method: 'roots/list' });
    expect(isQuestion('ping')).toBe(false);
  });
});

describe('a question for a legacy client', () => {
  test('of a URL gets an id in 2025-11-25, and has no form before', () => {
    const request = { method: 'elicitation/create', params: url };
    expect(toLegacyQuestion(request, asking('2025-11-25'))?.params).toEqual({ ...url, elicitationId: 'new' });
    expect(toLegacyQuestion(request, asking('2025-06-18'))).toBeUndefined();
  });

  test('with titled choices names them as 2025-06-18 does', () => {
    const question = toLegacyQuestion(ask, asking('2025-06-18'));
    expect(question?.params).toMatchObject({
      requestedSchema: { properties: { titled: { type: 'string', enum: ['a'], enumNames: ['A'] } } },
    });
  });

  test('that needs tools is none before 2025-11-25', () => {
    const request = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1, tools: [] } };
    expect(toLegacyQuestion(request, asking('2025-06-18'))).toBeUndefined();
    expect(toLegacyQuestion(request, asking('2025-11-25'))?.params).toBe(request.params);
  });

  test('that is no question is refused', () => {
    expect(() => toLegacyQuestion({ method: 'tools/call', params: {} }, asking('2025-11-25'))).toThrow('no known form');
    expect(() => toLegacyQuestion({ method: 'elicitation/create' }, asking('2025-11-25'))).toThrow('no known form');
  });
});

describe('who may be asked', () => {
  test.each<[string, JsonObject, JsonObject, boolean]>([
    ['elicitation/create', {}, {}, false],
    ['elicitation/create', {}, { elicitation: {} }, true],
    ['elicitation/create', {}, { elicitation: { url: {} } }, false],
    ['elicitation/create', { mode: 'url' }, { elicitation: {} }, false],
    ['elicitation/create', { mode: 'url' }, { elicitation: { url: {} } }, true],
    ['sampling/createMessage', {}, { sampling: {} }, true],
    ['sampling/createMessage', { toolChoice: {} }, { sampling: {} }, false],
    ['sampling/createMessage', { tools: [] }, { sampling: { tools: {} } }, true],
    ['roots/list', {}, { sampling: {} }, false],
    ['roots/list', {}, { roots: {} }, true],
    ['ping', {}, { roots: {} }, false],
  ])('%s with %j of a client with %j: %s', (method, params, capabilities, allowed) => {
    expect(mayAsk(method, params, capabilities)).toBe(allowed);
    if (isQuestion(method)) expect(mayAsk(method, params, requiredCapabilities(method, params))).toBe(true);
  });
});

describe('an answer', () => {
  const accept = (content: JsonObject) => ({ action: 'accept', content });

  test('that fits the form passes, digits and all', () => {
    const answer = parseJsonObject(
      '{"action":"accept","content":{"name":"n","age":42.0,"ok":true,"one":"b","many":["a"]}}',
    );
    expect(checkAnswer(ask, answer)).toEqual(answer);
    expect(checkAnswer(ask, { action: 'decline', content: { name: 'n' } })).toEqual({ action: 'decline' });
    expect(checkAnswer({ method: 'elicitation/create', params: url }, accept({ secret: 'x' }))).toEqual({
      action: 'accept',
    });
  });

  test.each<[string, JsonObject]>([
    ['no action', { content: {} }],
    ['an unknown action', { action: 'maybe' }],
    ['no required value', accept({})],
    ['a number for a text', accept({ name: 5 })],
    ['a fraction for an integer', accept({ name: 'n', age: 1.5 })],
    ['another choice', accept({ name: 'n', one: 'c' })],
    ['another titled choice', accept({ name: 'n', titled: 'A' })],
    ['another choice in a list', accept({ name: 'n', many: ['a', 'z'] })],
    ['an object as a value', accept({ name: 'n', more: { a: 1 } })],
    ['a list as content', { action: 'accept', content: [] }],
  ])('with %s is refused', (_reason, answer) => {
    expect(() => checkAnswer(ask, answer)).toThrow('The answer');
  });

  test('of a model needs role, model and content; roots need a list', () => {
    const sampling = { method: 'sampling/createMessage', params: {} };
    expect(() => checkAnswer(sampling, { role: 'assistant' })).toThrow('The answer');
    expect(() => checkAnswer({ method: 'roots/list' }, { roots: [{}] })).toThrow('The answer');
    expect(checkAnswer({ method: 'roots/list' }, { roots: [{ uri: 'file:///a' }] })).toEqual({
      roots: [{ uri: 'file:///a' }],
    });
  });

  test('of several blocks is one for a server before 2025-11-25', () => {
    const texts = ['a', 'b'].map((text) => ({ type: 'text', text }));
    const answer = { role: 'assistant', model: 'm', content: texts };
    expect(fromInputResponse('sampling/createMessage', answer, '2025-06-18').content).toEqual({
      type: 'text',
      text: 'a\nb',
    });
    expect(fromInputResponse('sampling/createMessage', answer, '2025-11-25')).toEqual(answer);
  });
});
