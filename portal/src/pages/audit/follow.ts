/** Rows of the trail as they come, the newest first. */
import { useEffect, useState } from 'react';
import { fetchApi, hrefOf } from '#portal/api/client.ts';
import { type Item, messageOf } from '#portal/api/hooks.ts';
import type { TrailFilter } from './filter.ts';

export type TrailRow = Item<'listAudit'>;

const most = 500;
const againMs = 3000;

interface Followed {
  readonly rows: readonly TrailRow[];
  /** Why nothing comes; it is tried again. */
  readonly problem: string | undefined;
}

/** `organization`: undefined: all of them. */
export function useFollowed(isOn: boolean, organization: string | undefined, filter: TrailFilter): Followed {
  const [rows, setRows] = useState<readonly TrailRow[]>([]);
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    setRows([]);
    setProblem(undefined);
    if (!isOn) return;
    const stop = new AbortController();
    const { until: _until, since: _since, ...rest } = filter;
    let last = new Date().toISOString();
    const add = (row: TrailRow) => {
      last = row.at;
      setRows((before) => [row, ...before.filter(({ id }) => id !== row.id)].slice(0, most));
    };
    const run = async () => {
      while (!stop.signal.aborted) {
        const input = { ...rest, since: last };
        const url =
          organization === undefined
            ? hrefOf('followPlatformAudit', input)
            : hrefOf('followAudit', { organization, ...input });
        try {
          await readLines(url, stop.signal, add, () => setProblem(undefined));
        } catch (thrown) {
          if (stop.signal.aborted) return;
          setProblem(messageOf(thrown));
        }
        await new Promise((resolve) => setTimeout(resolve, againMs));
      }
    };
    void run();
    return () => stop.abort();
  }, [isOn, organization, filter]);
  return { rows, problem };
}

async function readLines(
  url: string,
  signal: AbortSignal,
  add: (row: TrailRow) => void,
  begun: () => void,
): Promise<void> {
  const { body } = await fetchApi(url, { signal, headers: { accept: 'application/x-ndjson' } });
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    begun();
    const lines = (rest + chunk.value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') add(JSON.parse(line) as TrailRow);
  }
}
