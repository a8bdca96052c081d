/**
 * Channels: other ways in than one HTTP request for each message. A message of a channel becomes a call of its own through
 * the very same rooms, so that decisions, limits and audit are those of HTTP by construction; the channel itself is a call
 * too, which nothing is sent upstream for. A door is what such a call brings along.
 */
import type { GatehouseError } from '#core/error.ts';
import type { Call, Received } from '#gateway/call.ts';
import type { Method } from '#gateway/engine/methods.ts';
import type { LiveStream } from '#gateway/heartbeat.ts';
import type { Caller } from '#gateway/identify.ts';
import type { Outcome } from '#gateway/relay.ts';
import type { Message } from '#mcp/message.ts';
import type { CallRecord } from '#records/call-record.ts';

export interface Door {
  /** Of a channel that was let in: its credential is judged anew, but a proof of possession is not asked for twice. */
  readonly isInner: boolean;
  /** Once it is known who calls. Throws GatehouseError: what they are told. */
  readonly check?: (caller: Caller) => void;
  /** It is let in; what follows takes as long as the server does. */
  readonly admitted?: (message: Message | undefined) => void;
  /** The request opens a channel. */
  readonly opening?: Opening;
  readonly facade?: Facade;
  /** Somebody whom this gateway knows already comes with no credential: asked anew whenever that may have changed. */
  readonly caller?: () => Promise<Caller>;
  /** Of the call, once it is over. */
  readonly heard?: (record: CallRecord) => void;
}

/** A request that is no message but becomes one: what it says, and what it is told, is in words of its own (rest/). */
export interface Facade {
  /** As the request came: what a proof of possession names. */
  readonly method: string;
  /** The message. Throws GatehouseError. */
  readonly translate: (body: Buffer) => Buffer;
  /** In the place of what MCP's methods do. */
  readonly answers: Readonly<Record<string, Method>>;
  readonly refuse: (error: GatehouseError, call: Call) => Refusal;
}

export interface Refusal {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Opening {
  /** HTTP status of a channel that opens. */
  readonly status: number;
  readonly open: (seat: Seat) => OpenChannel;
}

/** The place that a channel has among the calls for as long as it is open. */
export interface Seat {
  readonly caller: Caller;
  /** Unix milliseconds: its caller may come in until then; undefined: for good. */
  readonly endsAt: number | undefined;
  /** For heartbeats and the end of all streams; the answer takes it out. */
  readonly watch: (stream: LiveStream) => () => void;
  /** Once: accounts. */
  readonly end: (error: GatehouseError | 'client_gone' | undefined) => void;
}

export interface OpenChannel {
  /** Its caller may no longer. */
  cut(error: GatehouseError): void;
}

export interface SeatDeps {
  readonly account: (call: Received, outcome: Outcome, done: () => void) => void;
  readonly watch: Seat['watch'];
  readonly endsAt: number | undefined;
}

/** The channel's record is in the spool before it opens. */
export function takeSeat(call: Received, caller: Caller, { account, watch, endsAt }: SeatDeps): void {
  const opening = call.door?.opening;
  if (!opening) return;
  const { status } = opening;
  account(call, { status, open: true, error: undefined }, () => {
    if (call.accounted) return;
    const end: Seat['end'] = (error) => account(call, { status, open: false, error }, () => undefined);
    const channel = opening.open({ caller, endsAt, watch, end });
    if (!call.accounted) call.relay = channel;
  });
}
