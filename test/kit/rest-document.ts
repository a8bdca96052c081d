/** The OpenAPI document of `startRestApi`, written as GitHub writes its own: components, allOf, nullable. */
const repo = [{ $ref: '#/components/parameters/owner' }, { $ref: '#/components/parameters/repo' }];
const json = (ref: string) => ({ content: { 'application/json': { schema: { $ref: ref } } } });
const ok = (ref: string) => ({ description: 'Response', ...json(ref) });
const refusals = { '404': { $ref: '#/components/responses/not_found' } };

export function restDocument(url: string, more: object = {}) {
  return {
    openapi: '3.0.3',
    info: { title: 'Roadmap REST API', version: '1.1.4', description: 'Repositories and their issues.' },
    servers: [{ url: `${url}/api/v3` }],
    tags: [{ name: 'issues' }, { name: 'repos' }],
    security: [{ token: [] }],
    paths: {
      '/repos/{owner}/{repo}': {
        get: {
          operationId: 'repos/get',
          summary: 'Get a repository',
          tags: ['repos'],
          parameters: repo,
          responses: { '200': ok('#/components/schemas/full-repository'), ...refusals },
        },
      },
      '/repos/{owner}/{repo}/issues': {
        get: {
          operationId: 'issues/list-for-repo',
          summary: 'List repository issues',
          description: 'Lists issues in a repository, newest first.',
          tags: ['issues'],
          parameters: [
            ...repo,
            {
              name: 'state',
              in: 'query',
              schema: { type: 'string', enum: ['open', 'closed', 'all'], default: 'open' },
            },
            { name: 'per_page', in: 'query', schema: { type: 'integer', maximum: 100, default: 30 } },
            { name: 'page', in: 'query', schema: { type: 'integer', default: 1 } },
          ],
          responses: {
            '200': {
              description: 'Response',
              content: {
                'application/json': { schema: { type: 'array', items: { $ref: '#/components/schemas/issue' } } },
              },
            },
          },
        },
        post: {
          operationId: 'issues/create',
          summary: 'Create an issue',
          tags: ['issues'],
          parameters: repo,
          requestBody: {
            required: true,
            content: {
              'application/json': {
                schema: {
                  type: 'object',
                  properties: {
                    title: { oneOf: [{ type: 'string' }, { type: 'integer' }], description: 'The title.' },
                    body: { type: 'string' },
                    assignee: { type: 'string', nullable: true },
                    labels: { type: 'array', items: { type: 'string' } },
                    id: { type: 'integer', readOnly: true },
                  },
                  required: ['title', 'id'],
                },
              },
            },
          },
          responses: { '201': ok('#/components/schemas/issue'), ...refusals },
        },
      },
      '/repos/{owner}/{repo}/issues/{issue_number}': {
        parameters: [...repo, { name: 'issue_number', in: 'path', required: true, schema: { type: 'integer' } }],
        get: {
          operationId: 'issues/get',
          summary: 'Get an issue',
          tags: ['issues'],
          responses: { '200': ok('#/components/schemas/issue'), ...refusals },
        },
        delete: {
          operationId: 'issues/delete',
          summary: 'Delete an issue',
          tags: ['issues'],
          responses: { '204': { description: 'Deleted' } },
        },
      },
      '/rate_limit': {
        get: {
          operationId: 'rate-limit/get',
          summary: 'Rate limit',
          tags: ['meta'],
          responses: { '200': { description: 'ok' } },
        },
      },
      '/old': { get: { operationId: 'old', deprecated: true, responses: {} } },
    },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      parameters: {
        owner: {
          name: 'owner',
          in: 'path',
          required: true,
          schema: { type: 'string' },
          description: 'The account owner.',
        },
        repo: { name: 'repo', in: 'path', required: true, schema: { type: 'string' } },
      },
      responses: { not_found: { description: 'Resource not found', ...json('#/components/schemas/basic-error') } },
      schemas: {
        'basic-error': { type: 'object', properties: { message: { type: 'string' } } },
        'simple-user': { type: 'object', properties: { login: { type: 'string' } }, required: ['login'] },
        'nullable-simple-user': { nullable: true, allOf: [{ $ref: '#/components/schemas/simple-user' }] },
        issue: {
          type: 'object',
          required: ['number', 'title', 'user'],
          properties: {
            number: { type: 'integer' },
            title: { type: 'string' },
            body: { type: 'string', nullable: true },
            user: { $ref: '#/components/schemas/nullable-simple-user' },
            parent: { $ref: '#/components/schemas/issue' },
          },
        },
        repository: { type: 'object', properties: { id: { type: 'integer' }, full_name: { type: 'string' } } },
        'full-repository': {
          allOf: [
            { $ref: '#/components/schemas/repository' },
            {
              type: 'object',
              properties: { description: { type: 'string', nullable: true } },
              required: ['description'],
            },
          ],
        },
      },
    },
    ...more,
  };
}
