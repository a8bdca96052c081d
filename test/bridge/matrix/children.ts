/** The matrix's servers over stdio: `node children.ts legacy` or `modern`. */
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { newState, watched } from './fixture.ts';
import { createLegacyServer } from './legacy-server.ts';
import { createModernServer } from './modern-server.ts';

const state = newState();
function createTalking() {
  const server = createModernServer(state);
  state.announcers.add(() => {
    server.sendToolListChanged().catch(() => undefined);
    server.sendResourceUpdated({ uri: watched }).catch(() => undefined);
  });
  return server;
}

if (process.argv[2] === 'modern') serveStdio(createTalking, { legacy: 'reject' });
else await createLegacyServer(state).connect(new StdioServerTransport());
