import { createParser } from 'eventsource-parser';

export interface ServerEvent {
  readonly type: string;
  readonly data: string;
}

export interface EventReader {
  /** Throws when one event is larger than allowed; nothing more can be read then. */
  feed(chunk: Buffer): void;
}

/** `maxLength`: of one event, in characters. */
export function openEventReader(maxLength: number, onEvent: (event: ServerEvent) => void): EventReader {
  const decoder = new TextDecoder();
  const tooLarge = () => new Error(`an event is larger than ${maxLength} characters`);
  const parser = createParser({
    maxBufferSize: maxLength,
    onEvent({ event, data }) {
      // The parser looks at its limit only between two chunks.
      if (data.length > maxLength) throw tooLarge();
      onEvent({ type: event ?? 'message', data });
    },
    onError(error) {
      if (error.type === 'max-buffer-size-exceeded') throw tooLarge();
    },
  });
  return { feed: (chunk) => parser.feed(decoder.decode(chunk, { stream: true })) };
}
