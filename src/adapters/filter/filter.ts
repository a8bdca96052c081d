/**
 * The port to what looks into content: arguments on their way to a server, results, errors, notifications and questions on
 * their way back. It says what it found and where; what becomes of it is decided by whoever asks (gateway/engine/screen.ts).
 */
export interface Match {
  /** What it is, such as `aws-access-key`: goes into records, never the text itself. */
  readonly name: string;
  /** In UTF-16 units; the end is exclusive. */
  readonly start: number;
  readonly end: number;
}

export interface ContentFilter {
  /** In linear time, whatever the text. */
  inspect?(text: string): readonly Match[];
  /** Of one message's arguments or result, as JSON; the name of what is wrong with it. */
  weigh?(bytes: number): string | undefined;
}

export type FilterDeps = Readonly<Record<never, never>>;
