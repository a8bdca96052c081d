// biome-ignore-all lint/suspicious/noTemplateCurlyInString: clients fill these in themselves
import type { Recipe } from './recipe.ts';

const verifiedOn = '2026-11';

export const appRecipes: readonly Recipe[] = [
  {
    ...{
      id: 'claude',
      name: 'Claude (web, desktop, mobile)',
      group: 'Apps',
      auth: 'oauth',
      isRemote: true,
      verifiedOn,
    },
    oauth: {
      steps: ['Settings, Connectors, Add custom connector.', 'Name: {name}. Address: {url}', 'Connect, and sign in.'],
    },
    caveats: ['It connects from Anthropic’s cloud. claude_desktop_config.json takes no such address.'],
  },
  {
    ...{ id: 'chatgpt', name: 'ChatGPT', group: 'Apps', auth: 'oauth', isRemote: true, verifiedOn },
    oauth: {
      steps: [
        'Settings, Apps, Advanced: switch Developer mode on.',
        'Create app. Name: {name}. MCP server URL: {url}. Sign-in: OAuth.',
      ],
    },
    caveats: ['It takes no key.'],
  },
  {
    ...{ id: 'lm-studio', name: 'LM Studio', group: 'Apps', auth: 'oauth', verifiedOn },
    oauth: { link: { template: 'lmstudio://add_mcp?name={name}&config={config:base64}', config: '{"url":"{url}"}' } },
  },
  {
    ...{ id: 'open-webui', name: 'Open WebUI', group: 'Apps', auth: 'both', verifiedOn },
    oauth: { steps: ['Admin, Integrations, +: Type MCP (Streamable HTTP). URL: {url}. Auth: OAuth 2.1.'] },
    key: { steps: ['Admin, Integrations, +: Type MCP (Streamable HTTP). URL: {url}. Auth: Bearer, with the key.'] },
  },
  {
    ...{ id: 'librechat', name: 'LibreChat', group: 'Apps', auth: 'both', verifiedOn },
    oauth: {
      file: {
        path: 'librechat.yaml',
        language: 'yaml',
        text: 'mcpServers:\n  {name}:\n    type: streamable-http\n    url: {url}\n    requiresOAuth: true',
      },
    },
    key: {
      file: {
        path: 'librechat.yaml',
        language: 'yaml',
        text: "mcpServers:\n  {name}:\n    type: streamable-http\n    url: {url}\n    headers:\n      Authorization: 'Bearer ${{variable}}'",
      },
    },
  },
  {
    ...{ id: 'n8n', name: 'n8n', group: 'Apps', auth: 'both', verifiedOn },
    oauth: { steps: ['Node MCP Client Tool. Endpoint: {url}. Authentication: OAuth2.'] },
    key: { steps: ['Node MCP Client Tool. Endpoint: {url}. Authentication: Bearer, with the key.'] },
  },
  {
    ...{ id: 'inspector', name: 'MCP Inspector', group: 'Programs', auth: 'both', verifiedOn },
    oauth: { command: 'npx @modelcontextprotocol/inspector --server-url {url} --transport http' },
    key: {
      command:
        'npx @modelcontextprotocol/inspector --server-url {url} --transport http --header "Authorization: Bearer ${variable}"',
    },
  },
  {
    ...{ id: 'mcp-remote', name: 'Clients that only run commands', group: 'Programs', auth: 'oauth', verifiedOn },
    oauth: { command: 'npx mcp-remote {url}' },
  },
  {
    ...{ id: 'openai-api', name: 'OpenAI Responses API', group: 'Programs', auth: 'key', isRemote: true, verifiedOn },
    key: {
      file: {
        path: 'request',
        language: 'json',
        text: '{\n  "tools": [\n    {\n      "type": "mcp",\n      "server_label": "{name}",\n      "server_url": "{url}",\n      "authorization": "${variable}",\n      "require_approval": "never"\n    }\n  ]\n}',
      },
    },
  },
  {
    ...{
      id: 'anthropic-api',
      name: 'Anthropic Messages API',
      group: 'Programs',
      auth: 'key',
      isRemote: true,
      verifiedOn,
    },
    key: {
      steps: ['Beta header: mcp-client-2025-11-20'],
      file: {
        path: 'request',
        language: 'json',
        text: '{\n  "mcp_servers": [\n    { "type": "url", "url": "{url}", "name": "{name}", "authorization_token": "${variable}" }\n  ],\n  "tools": [{ "type": "mcp_toolset", "mcp_server_name": "{name}" }]\n}',
      },
    },
  },
];
