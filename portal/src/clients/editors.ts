// biome-ignore-all lint/suspicious/noTemplateCurlyInString: clients fill these in themselves
import type { Recipe, Way } from './recipe.ts';

const verifiedOn = '2026-11';

/** A file with `mcpServers`, as most have it. */
const servers = (path: string, fields: string): Way => ({
  file: { path, language: 'json', text: `{\n  "mcpServers": {\n    "{name}": { ${fields} }\n  }\n}` },
});

export const editorRecipes: readonly Recipe[] = [
  {
    ...{ id: 'cursor', name: 'Cursor', group: 'Editors', auth: 'both', verifiedOn },
    oauth: {
      ...servers('~/.cursor/mcp.json', '"url": "{url}"'),
      link: {
        template: 'cursor://anysphere.cursor-deeplink/mcp/install?name={name}&config={config:base64}',
        config: '{"url":"{url}"}',
      },
    },
    key: servers('~/.cursor/mcp.json', '"url": "{url}", "headers": { "Authorization": "Bearer ${env:{variable}}" }'),
    caveats: ['With a key: use the address for keys. Cursor drops a key where the server offers a sign-in.'],
  },
  {
    ...{ id: 'vscode', name: 'VS Code', group: 'Editors', auth: 'both', maxTools: 128, verifiedOn },
    oauth: {
      command: 'code --add-mcp \'{"name":"{name}","type":"http","url":"{url}"}\'',
      file: {
        path: '.vscode/mcp.json',
        language: 'json',
        text: '{\n  "servers": {\n    "{name}": { "type": "http", "url": "{url}" }\n  }\n}',
      },
      link: { template: 'vscode:mcp/install?{config:url}', config: '{"name":"{name}","type":"http","url":"{url}"}' },
    },
    key: {
      steps: ['VS Code asks for the key once and keeps it.'],
      file: {
        path: '.vscode/mcp.json',
        language: 'json',
        text: '{\n  "inputs": [\n    { "type": "promptString", "id": "key", "description": "Gateway key", "password": true }\n  ],\n  "servers": {\n    "{name}": {\n      "type": "http",\n      "url": "{url}",\n      "headers": { "Authorization": "Bearer ${input:key}" }\n    }\n  }\n}',
      },
    },
  },
  {
    ...{ id: 'zed', name: 'Zed', group: 'Editors', auth: 'oauth', verifiedOn },
    oauth: {
      file: {
        path: '~/.config/zed/settings.json',
        language: 'json',
        text: '{\n  "context_servers": {\n    "{name}": { "url": "{url}" }\n  }\n}',
      },
    },
  },
  {
    ...{ id: 'windsurf', name: 'Windsurf, Devin Desktop', group: 'Editors', auth: 'oauth', verifiedOn },
    oauth: servers('~/.codeium/windsurf/mcp_config.json', '"serverUrl": "{url}"'),
    caveats: ['Only tools are used, no prompts and resources.'],
  },
  {
    ...{ id: 'antigravity', name: 'Antigravity', group: 'Editors', auth: 'oauth', verifiedOn },
    oauth: servers('~/.gemini/config/mcp_config.json', '"serverUrl": "{url}"'),
  },
  {
    ...{ id: 'kiro', name: 'Kiro', group: 'Editors', auth: 'oauth', verifiedOn },
    oauth: {
      ...servers('.kiro/settings/mcp.json', '"url": "{url}"'),
      link: { template: 'https://kiro.dev/launch/mcp/add?name={name}&config={config:url}', config: '{"url":"{url}"}' },
    },
  },
  {
    ...{ id: 'cline', name: 'Cline', group: 'Editors', auth: 'oauth', verifiedOn },
    oauth: servers('cline_mcp_settings.json', '"type": "streamableHttp", "url": "{url}", "disabled": false'),
  },
  {
    ...{ id: 'roo', name: 'Roo Code', group: 'Editors', auth: 'oauth', verifiedOn },
    oauth: servers('.roo/mcp.json', '"type": "streamable-http", "url": "{url}"'),
  },
  {
    ...{ id: 'jetbrains', name: 'JetBrains IDEs', group: 'Editors', auth: 'oauth', verifiedOn },
    oauth: {
      steps: ['Settings, Tools, AI Assistant, Model Context Protocol: Add, tab HTTP, paste this.'],
      ...servers('pasted', '"url": "{url}"'),
    },
  },
];
