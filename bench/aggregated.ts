/**
 * `npm run bench -- --only aggregated`: warm lists of an endpoint of many servers, and what a call costs that cannot pass
 * through as bytes, beside one that can.
 */
import { Agent, request } from 'undici';
import { createKey, startGateway } from '#kit/gateway.ts';
import { bearer } from '#kit/http-client.ts';
import { cpuMicroseconds } from '#kit/process.ts';
import { quantile } from './measure.ts';
import { endChild, startScript } from './variants.ts';

export interface AggregatedRow {
  readonly name: string;
  readonly p50: number;
  readonly p99: number;
  readonly cpuMicrosecondsPerCall: number;
  readonly megabytes: number;
}

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** Collection → servers in it. */
const collections = {
  thousand: ['m200a', 'm200b', 'm200c', 'm200d', 'm200e'],
  tenthousand: ['m2000a', 'm2000b', 'm2000c', 'm2000d', 'm2000e'],
  direct: ['m20'],
  same: ['m20', 'm20b'],
  tolegacy: ['l20', 'l20b'],
};

function yaml(port: number): string {
  const keys = [...new Set(Object.values(collections).flat())];
  const url = (key: string) => {
    const [, era = '', count = '', name = ''] = /^([ml])(\d+)(\w*)$/.exec(key) ?? [];
    return `http://127.0.0.1:${port}/${era === 'm' ? 'modern' : 'legacy'}/${count}/${name}x`;
  };
  return `
organizations: [{ slug: bench, name: Bench }]
servers:
${keys.map((key) => `  - { key: ${key}, transport: { kind: http, url: '${url(key)}' } }`).join('\n')}
collections:
${Object.entries(collections)
  .map(
    ([name, servers]) =>
      `  - { organization: bench, name: ${name}, allowedRoles: '*', bindings: [${servers.map((key) => `{ server: ${key} }`).join(', ')}] }`,
  )
  .join('\n')}
enablements:
${keys.map((key) => `  - { organization: bench, server: ${key}, allMembers: true }`).join('\n')}
egress: { allow: ['127.0.0.1'] }
limits:
  principal: { requestsPerMinute: 100000000, concurrentCalls: 10000 }
  organization: { requestsPerMinute: 100000000, concurrentCalls: 10000 }
`;
}

interface Asked {
  readonly path: string;
  readonly era: 'legacy' | 'modern';
  readonly method: 'tools/list' | 'tools/call';
  readonly tool?: string;
}

const cases: Readonly<Record<string, Asked>> = {
  'tools/list, 1,000 tools of 5 servers': { path: 'thousand', era: 'modern', method: 'tools/list' },
  'tools/list, 10,000 tools of 5 servers': { path: 'tenthousand', era: 'modern', method: 'tools/list' },
  'tools/list, 10,000 tools, legacy client': { path: 'tenthousand', era: 'legacy', method: 'tools/list' },
  'tools/call, direct': { path: 'direct', era: 'modern', method: 'tools/call', tool: 'tool_00003' },
  'tools/call, aggregated, same era': { path: 'same', era: 'modern', method: 'tools/call', tool: 'm20_tool_00003' },
  'tools/call, legacy client to modern server': {
    path: 'same',
    era: 'legacy',
    method: 'tools/call',
    tool: 'm20_tool_00003',
  },
  'tools/call, modern client to legacy server': {
    path: 'tolegacy',
    era: 'modern',
    method: 'tools/call',
    tool: 'l20_tool_00003',
  },
};

/** Milliseconds are of single requests one after the other; CPU is the gateway's, at eight at once. */
export async function measureAggregated(seconds: number): Promise<readonly AggregatedRow[]> {
  const upstream = await startScript('lists-upstream.ts');
  const gateway = await startGateway({ configYaml: yaml(upstream.port), quiet: true });
  const agent = new Agent({ connections: 16, headersTimeout: 5000, bodyTimeout: 5000 });
  try {
    const key = await createKey(gateway, 'bench');
    const rows: AggregatedRow[] = [];
    for (const [name, asked] of Object.entries(cases)) {
      const ask = await openAsking(`${gateway.url}/bench/mcp/${asked.path}`, asked, { key, agent });
      rows.push({ name, ...(await measureOne(ask, gateway.pid, seconds)) });
    }
    return rows;
  } finally {
    await agent.close();
    await gateway.stop();
    await endChild(upstream.child);
  }
}

type Ask = () => Promise<number>;

async function openAsking(
  url: string,
  { era, method, tool }: Asked,
  { key, agent }: { readonly key: string; readonly agent: Agent },
): Promise<Ask> {
  const post = async (body: object, more: Record<string, string> = {}) => {
    const answer = await request(url, {
      dispatcher: agent,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...bearer(key),
        ...more,
      },
      body: JSON.stringify(body),
    });
    return { headers: answer.headers, text: await answer.body.text() };
  };
  const params = tool === undefined ? {} : { name: tool, arguments: { query: 'What is the leave policy?' } };
  let id = 0;
  const headers: Record<string, string> = {};
  if (era === 'legacy') {
    const clientInfo = { name: 'bench', version: '1' };
    const hello = await post({
      ...{ jsonrpc: '2.0', id: ++id, method: 'initialize' },
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo },
    });
    headers['mcp-session-id'] = String(hello.headers['mcp-session-id']);
    headers['mcp-protocol-version'] = '2025-11-25';
  } else {
    headers['mcp-protocol-version'] = '2026-07-28';
    headers['mcp-method'] = method;
    if (tool !== undefined) headers['mcp-name'] = tool;
  }
  return async () => {
    const body = { jsonrpc: '2.0', id: ++id, method, params: era === 'modern' ? { ...params, _meta: meta } : params };
    const { text } = await post(body, headers);
    if (!text.includes('"result"')) throw new Error(text.slice(0, 500));
    return text.length;
  };
}

async function measureOne(ask: Ask, pid: number, seconds: number) {
  let length = 0;
  const until = async (endsAt: number, times: number[]) => {
    while (performance.now() < endsAt) {
      const before = performance.now();
      length = await ask();
      times.push(performance.now() - before);
    }
  };
  await until(performance.now() + 1500, []);
  const alone: number[] = [];
  await until(performance.now() + 500 * seconds, alone);
  const before = cpuMicroseconds(pid);
  const many: number[] = [];
  const endsAt = performance.now() + 1000 * seconds;
  await Promise.all(Array.from({ length: 8 }, () => until(endsAt, many)));
  alone.sort((a, b) => a - b);
  return {
    p50: quantile(alone, 0.5),
    p99: quantile(alone, 0.99),
    cpuMicrosecondsPerCall: (cpuMicroseconds(pid) - before) / many.length,
    megabytes: length / 1e6,
  };
}

const columns = ['request', 'p50 ms', 'p99 ms', 'gateway CPU µs', 'MB'] as const;

export function aggregatedTable(rows: readonly AggregatedRow[]): readonly (readonly string[])[] {
  return [
    columns,
    ...rows.map(({ name, p50, p99, cpuMicrosecondsPerCall, megabytes }) => [
      name,
      p50.toFixed(2),
      p99.toFixed(2),
      cpuMicrosecondsPerCall.toFixed(0),
      megabytes.toFixed(2),
    ]),
  ];
}
