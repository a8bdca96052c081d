/** A call as oneself, told as it happens: one JSON object a line. */
import { useEffect, useRef, useState } from 'react';
import { addressOf, fetchApi, type RouteInput, type RouteOutput } from '#portal/api/client.ts';
import { routes } from '#portal/api/routes.ts';

export type CallEvent = RouteOutput<'callAsMyself'>['items'][number];
export type Question = Extract<CallEvent, { readonly type: 'question' }>;
export type CallRequest = RouteInput<'callAsMyself'>;

/** Throws ApiError before the first event, and what a broken connection throws. */
async function readCall(
  request: CallRequest,
  { signal, onEvent }: { readonly signal: AbortSignal; readonly onEvent: (event: CallEvent) => void },
): Promise<void> {
  const { url, rest } = addressOf(routes.callAsMyself[1], request);
  const response = await fetchApi(url, {
    ...{ method: 'POST', signal, body: JSON.stringify(rest) },
    headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let kept = '';
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    const lines = (kept + part.value).split('\n');
    kept = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') onEvent(JSON.parse(line));
  }
  if (kept.trim() !== '') onEvent(JSON.parse(kept));
}

export interface Run {
  readonly events: readonly CallEvent[];
  readonly isRunning: boolean;
  readonly error: unknown;
  /** What was asked last, for the answer to a question of it. */
  readonly request: CallRequest | undefined;
  /** `goesOn`: what was said before stays. */
  readonly start: (request: CallRequest, goesOn?: boolean) => void;
  readonly cancel: () => void;
}

export function useRun(): Run {
  const [events, setEvents] = useState<readonly CallEvent[]>([]);
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<unknown>();
  const [request, setRequest] = useState<CallRequest>();
  const controller = useRef<AbortController>(undefined);
  const cancel = () => controller.current?.abort();
  useEffect(() => () => controller.current?.abort(), []);
  const start = (asked: CallRequest, goesOn = false) => {
    cancel();
    const own = new AbortController();
    controller.current = own;
    setRequest(asked);
    setError(undefined);
    setRunning(true);
    if (!goesOn) setEvents([]);
    const onEvent = (event: CallEvent) => {
      if (!own.signal.aborted) setEvents((before) => [...before, event]);
    };
    readCall(asked, { signal: own.signal, onEvent })
      .catch((thrown: unknown) => {
        if (!own.signal.aborted) setError(thrown);
      })
      .finally(() => {
        if (controller.current === own) setRunning(false);
      });
  };
  return { events, isRunning, error, request, start, cancel };
}
