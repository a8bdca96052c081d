/** What a program writes: the last lines, and what comes, line by line. */
import './log.css';
import { Button, Group, Switch, Text, TextInput } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { apiBase, fetchApi } from '#portal/api/client.ts';
import { messageOf } from '#portal/api/hooks.ts';
import { Scrolling } from '#portal/parts/scrolling.tsx';

interface Line {
  readonly at: string;
  readonly run: string;
  readonly text: string;
}

const kept = 2000;

export function LogTab({ server }: { readonly server: string }) {
  const [isFollowing, setFollowing] = useState(true);
  const [search, setSearch] = useState('');
  const { lines, problem } = useLines(server, isFollowing);
  const shown = search === '' ? lines : lines.filter(({ text }) => text.toLowerCase().includes(search.toLowerCase()));
  const box = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the newest line is looked at when one comes
  useEffect(() => {
    if (isFollowing && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, isFollowing]);
  const save = () => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(
      new Blob([lines.map(({ at, text }) => `${at} ${text}\n`).join('')], { type: 'text/plain' }),
    );
    link.download = `${server}.log`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <>
      <Group mb="sm">
        <TextInput
          aria-label="Search the log"
          placeholder="Search the log"
          value={search}
          onChange={({ currentTarget }) => setSearch(currentTarget.value)}
        />
        <Switch
          label="Follow"
          checked={isFollowing}
          onChange={({ currentTarget }) => setFollowing(currentTarget.checked)}
        />
        <Button variant="default" disabled={lines.length === 0} onClick={save}>
          Download
        </Button>
      </Group>
      {problem !== undefined && <Text size="sm">{problem}</Text>}
      <Scrolling className="scrolling log" ref={box} label="Log">
        {shown.length === 0 && (
          <Text size="sm" c="dimmed">
            It wrote nothing yet, or nothing that matches.
          </Text>
        )}
        {shown.map(({ at, run, text }, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines have nothing else that tells them apart
          <div key={`${at} ${run} ${i}`}>
            <span className="log-time">{new Date(at).toLocaleTimeString()}</span> {text}
          </div>
        ))}
      </Scrolling>
    </>
  );
}

function useLines(server: string, isFollowing: boolean) {
  const [lines, setLines] = useState<readonly Line[]>([]);
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    if (!isFollowing) return;
    const end = new AbortController();
    setLines([]);
    setProblem(undefined);
    follow(server, end.signal, (line) => setLines((before) => [...before.slice(1 - kept), line]))
      .then(() => setProblem('The log ended: switch Follow off and on to go on.'))
      .catch((error) => {
        if (!end.signal.aborted) setProblem(messageOf(error));
      });
    return () => end.abort();
  }, [server, isFollowing]);
  return { lines, problem };
}

async function follow(server: string, signal: AbortSignal, hear: (line: Line) => void): Promise<void> {
  const url = `${apiBase}/runs/${encodeURIComponent(server)}/logs/follow?tail=500`;
  const { body } = await fetchApi(url, { signal });
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const texts = (rest + value).split('\n');
    rest = texts.pop() ?? '';
    for (const text of texts) if (text !== '') hear(JSON.parse(text) as Line);
  }
}
