/** The matrix's servers over stdio: `node children.ts legacy` or `modern`. */
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { newState } from './fixture.ts';
import { createLegacyServer } from './legacy-server.ts';
import { createModernServer } from './modern-server.ts';

const state = newState();
if (process.argv[2] === 'modern') serveStdio(() => createModernServer(state), { legacy: 'reject' });
else await createLegacyServer(state).connect(new StdioServerTransport());
