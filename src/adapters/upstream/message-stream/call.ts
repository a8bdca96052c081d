/** One client request on its way through a connection: minted id out, the client's id back, and the timeouts between. */

import type { UpstreamCall, UpstreamTimeouts } from '#adapters/upstream/upstream.ts';
import { GatehouseError } from '#core/error.ts';
import { findMember } from '#mcp/message.ts';
import type { Answer } from './answer.ts';
import type { Connection } from './connection.ts';
import { type Edit, errorLine, findMeta, type Line, membersOf, rawOf, splice } from './line.ts';
import { answerFailure } from './local-answers.ts';
import type { Delivery } from './wire.ts';

/** What the router keeps per client session; structural, so that calls and sessions don't import each other. */
export interface CallSet {
  readonly id: string;
  readonly calls: Set<PendingCall>;
}

export interface PendingCallParts {
  readonly line: Line;
  readonly answer: Answer;
  readonly era: UpstreamCall['era'];
  readonly timeouts: UpstreamTimeouts;
  /** The session or, in the modern era, the set of everybody's calls. */
  readonly set: CallSet;
}

export const SUBSCRIPTION_KEY = 'io.modelcontextprotocol/subscriptionId';
/** A legacy caller that left doesn't cancel; its call may go on this long where no total timeout is set. */
const ABANDONED_MS = 3_600_000;

export class PendingCall {
  readonly answer: Answer;
  readonly set: CallSet;
  readonly clientId: Buffer;
  readonly #parts: PendingCallParts;
  readonly #token: Buffer | undefined;
  #connection: Connection | undefined;
  #id = 0;
  #sent = false;
  #over = false;
  #headers: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #total: NodeJS.Timeout | undefined;

  constructor(parts: PendingCallParts) {
    const { line, answer, timeouts } = parts;
    this.#parts = parts;
    this.answer = answer;
    this.set = parts.set;
    this.clientId = line.id ? rawOf(line, line.id) : Buffer.from('null');
    const token = findMeta(line, line.params, 'progressToken');
    this.#token = token && rawOf(line, token);
    this.#headers = this.#timer(timeouts.headersMs);
    this.#total = this.#timer(timeouts.totalMs);
    answer.onActivity = () => this.#onActivity();
    answer.onDone = () => this.#onAnswerDone();
    parts.set.calls.add(this);
  }

  get sent(): boolean {
    return this.#sent;
  }

  get over(): boolean {
    return this.#over;
  }

  get mintedId(): number {
    return this.#id;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Throws what `Connection.register` throws. */
  send(connection: Connection): void {
    if (this.#over) return;
    const { line } = this.#parts;
    this.#id = connection.register({
      call: this,
      answered: (answer) => this.#answered(answer),
      lost: (error) => this.#lost(error),
    });
    this.#connection = connection;
    const edits: Edit[] = line.id ? [{ at: line.id, value: String(this.#id) }] : [];
    const token = findMeta(line, line.params, 'progressToken');
    if (token) edits.push({ at: token, value: String(this.#id) });
    connection.write(splice(line.bytes, edits), this.#delivery());
  }

  /** A notification of the server about this call; false: this answer can't carry it. */
  deliver(line: Line): boolean {
    return this.answer.event(line.bytes);
  }

  deliverProgress(line: Line): void {
    const token = findMember(line.params, 'progressToken');
    if (token && this.#token) this.answer.event(splice(line.bytes, [{ at: token, value: this.#token }]));
  }

  deliverSubscription(line: Line): void {
    const at = findMeta(line, line.params, SUBSCRIPTION_KEY);
    if (at) this.answer.event(splice(line.bytes, [{ at, value: this.clientId }]));
  }

  refuse(error: GatehouseError): void {
    this.#settle();
    this.answer.fail(error);
  }

  /** The caller is gone. Modern: that is a cancellation. Legacy: it is not, the call runs on and its answer is dropped. */
  abort(): void {
    this.answer.detach();
  }

  #delivery(): Delivery {
    const isOver = () => this.#over;
    return {
      get wanted() {
        return !isOver();
      },
      onSent: () => {
        this.#sent = true;
      },
      onFailed: (error) => {
        // The server may well be at it: the call has timeouts of its own.
        const unknown = error instanceof GatehouseError && error.code === 'upstream_timeout';
        if (this.#over || unknown) return;
        this.#connection?.forget(this.#id);
        this.#settle();
        answerFailure(this.#parts.line, this.answer, error);
      },
    };
  }

  #timer(ms: number): NodeJS.Timeout | undefined {
    return ms > 0 ? setTimeout(() => this.#onTimeout(), ms) : undefined;
  }

  #onActivity(): void {
    clearTimeout(this.#headers);
    if (this.#idle) this.#idle.refresh();
    else this.#idle = this.#timer(this.#parts.timeouts.idleMs);
  }

  #onTimeout(): void {
    if (this.#over) return;
    this.#cancel('The call took too long');
    this.#settle();
    this.answer.fail(new GatehouseError('upstream_timeout'));
  }

  /** Perhaps before the server answered: the reader was too slow, or left. */
  #onAnswerDone(): void {
    if (this.#over) return;
    clearTimeout(this.#headers);
    clearTimeout(this.#idle);
    if (this.#sent && this.#parts.era === 'legacy') {
      this.#total ??= this.#timer(ABANDONED_MS);
      return;
    }
    this.#cancel('The caller is gone');
    this.#settle();
  }

  #cancel(reason: string): void {
    if (!this.#connection || this.#over) return;
    if (this.#sent) this.#connection.abandon(this.#id, reason);
    else this.#connection.forget(this.#id);
  }

  #answered(line: Line): void {
    this.#settle();
    const edits: Edit[] = line.id ? [{ at: line.id, value: this.clientId }] : [];
    if (this.#parts.line.method === 'subscriptions/listen') {
      const result = membersOf(line, findMember(line.members, 'result'));
      const at = findMeta(line, result, SUBSCRIPTION_KEY);
      if (at) edits.push({ at, value: this.clientId });
    }
    this.answer.finish(splice(line.bytes, edits), this.#parts.era === 'modern' ? modernStatus(line) : 200);
  }

  #lost(error: GatehouseError | undefined): void {
    this.#settle();
    if (error) this.answer.fail(error);
    else
      this.answer.finish(
        errorLine(this.clientId, -32603, 'Upstream server ended during the call', { retryable: false }),
      );
  }

  #settle(): void {
    this.#over = true;
    for (const timer of [this.#headers, this.#idle, this.#total]) clearTimeout(timer);
    this.set.calls.delete(this);
  }
}

/** 2026-07-28 basic#error-codes: the HTTP status that belongs to a first message that is an error. */
function modernStatus(line: Line): number {
  const code = membersOf(line, findMember(line.members, 'error')).find((member) => member.key === 'code');
  if (!code) return 200;
  const text = rawOf(line, code).toString('latin1');
  if (text === '-32601') return 404;
  return ['-32020', '-32021', '-32022'].includes(text) ? 400 : 200;
}
