import { expect, test } from 'vitest';
import { readServerHosts, readServerPorts } from './server-ports.ts';

test('MCP_ECHO_PORT is the port of the echo server that is on; of two, each has its own variable [S1.36]', () => {
  const stateful = { MCP_ECHO_PORT: '9000', MCP_ECHO_STATEFUL_ENABLED: 'true' };
  expect(readServerPorts(stateful)).toEqual({ 'mcp-echo-stateful': 9000 });
  expect(readServerPorts({ MCP_ECHO_PORT: '9000' })).toEqual({});
  expect(() => readServerPorts({ ...stateful, MCP_ECHO_STATELESS_ENABLED: '1' })).toThrow('one port for two servers');
  expect(() => readServerPorts({ ...stateful, MCP_ECHO_PORT: 'x' })).toThrow('must be a port');
});

test('MCP_ECHO_HOST is where it listens; the demo stays on this machine [S1.36]', () => {
  expect(readServerHosts({}, true)).toEqual({});
  expect(readServerHosts({ MCP_ECHO_HOST: '0.0.0.0' }, false)).toMatchObject({ 'mcp-echo-stateful': '0.0.0.0' });
  expect(readServerHosts({ MCP_ECHO_HOST: '127.0.0.1' }, true)).toMatchObject({ 'mcp-echo-stateless': '127.0.0.1' });
  expect(() => readServerHosts({ MCP_ECHO_HOST: '0.0.0.0' }, true)).toThrow('the demo listens on loopback only');
  expect(() => readServerHosts({ MCP_ECHO_HOST: 'example.com' }, false)).toThrow('must be an IP address');
});
