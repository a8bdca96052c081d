/**
 * An MCP server over HTTP in a process of its own, to be killed. Arguments: era, port, a file that gets a line for each
 * call that was carried out. The tool `slow` is carried out and never answers. Prints `{"port": …}`.
 */
import { appendFileSync } from 'node:fs';
import { legacyServer, modernServer } from '../era-scripts.ts';
import { startRecordingUpstream } from '../recording-upstream.ts';

const [era, port, file = ''] = process.argv.slice(2);
const { script } = era === 'legacy' ? legacyServer() : modernServer();
const upstream = await startRecordingUpstream(Number(port));
upstream.script((request, res) => {
  const name = request.rpc.method === 'tools/call' ? request.rpc.params?.name : undefined;
  const isHeard = era === 'modern' || request.headers['mcp-session-id'] !== undefined;
  if (name === 'slow' && isHeard) return appendFileSync(file, 'slow\n');
  return script(request, res);
});
console.log(JSON.stringify({ port: upstream.port }));
