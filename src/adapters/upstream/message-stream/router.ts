/**
 * Which client hears what of a child says unasked. A child shared by several callers never gets a guess: what can't be
 * told to belong to one session goes to none (SECURITY C6, C11).
 */
import { randomBytes } from 'node:crypto';
import type { Log } from '#core/log.ts';
import { memberString } from '#mcp/json-scan.ts';
import { findMember } from '#mcp/message.ts';
import type { Answer } from './answer.ts';
import { type CallSet, type PendingCall, SUBSCRIPTION_KEY } from './call.ts';
import type { Connection } from './connection.ts';
import { errorLine, findMeta, type Line, mintedNumber, rawOf, splice } from './line.ts';
import type { Delivery } from './wire.ts';

export interface Session extends CallSet {
  /** The GET stream. */
  stream: Answer | undefined;
  readonly subscriptions: Set<string>;
}

interface Question {
  readonly connection: Connection;
  readonly childId: Buffer;
  readonly line: Line;
  /** Undefined while nobody could be asked yet. */
  session: Session | undefined;
  patience: NodeJS.Timeout | undefined;
}

const MAX_QUESTIONS = 1000;
const MAX_SUBSCRIPTIONS = 1000;
const MAX_SESSIONS = 10_000;

export class Router {
  readonly #shared: boolean;
  readonly #log: Log;
  readonly #patienceMs: number;
  readonly #sessions = new Map<string, Session>();
  readonly #questions = new Map<string, Question>();
  readonly #prefix = randomBytes(6).toString('base64url');
  #count = 0;
  /** Calls of the modern era, which has no sessions. */
  readonly modern: CallSet = { id: '', calls: new Set() };

  /** `shared`: callers that must not hear of each other use the same child. */
  constructor(options: { readonly shared: boolean; readonly log: Log; readonly patienceMs: number }) {
    this.#shared = options.shared;
    this.#log = options.log;
    this.#patienceMs = options.patienceMs;
  }

  session(id: string): Session {
    let session = this.#sessions.get(id);
    if (!session) {
      this.prune(MAX_SESSIONS);
      session = { id, calls: new Set(), stream: undefined, subscriptions: new Set() };
      this.#sessions.set(id, session);
    }
    return session;
  }

  forget(id: string): void {
    const session = this.#sessions.get(id);
    session?.stream?.end();
    this.#sessions.delete(id);
    for (const [key, question] of this.#questions) {
      if (!session || question.session !== session) continue;
      this.#questions.delete(key);
      refuse(question.connection, question.childId);
    }
  }

  get hasStreams(): boolean {
    for (const session of this.#sessions.values()) if (session.stream) return true;
    return false;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Forgets sessions without stream and calls, oldest first, until fewer than `keep` are left. */
  prune(keep: number): void {
    for (const [id, session] of this.#sessions) {
      if (this.#sessions.size < keep) return;
      if (!session.stream && session.calls.size === 0) this.#sessions.delete(id);
    }
  }

  openStream(session: Session, answer: Answer): void {
    session.stream?.end();
    session.stream = answer;
    answer.onDone = () => {
      if (session.stream === answer) session.stream = undefined;
    };
    answer.openStream();
    this.#askAgain();
  }

  /** A call is on its way: whoever waits to ask something can ask on it. */
  onCall(line: Line, session: Session): void {
    if (line.method?.startsWith('resources/')) {
      const uri = memberString(line.bytes, findMember(line.params, 'uri')) ?? '';
      if (line.method === 'resources/unsubscribe') session.subscriptions.delete(uri);
      const isRoom = session.subscriptions.size < MAX_SUBSCRIPTIONS;
      if (line.method === 'resources/subscribe' && isRoom) session.subscriptions.add(uri);
    }
    if (this.#questions.size > 0) this.#askAgain();
  }

  fromChild(line: Line, connection: Connection): void {
    if (line.kind === 'request') this.#onQuestion(line, connection);
    else this.#onNotification(line, connection);
  }

  /** A client's answer to a question of the child. False: nobody asked that, or no longer. */
  fromClient(line: Line, session: Session, delivery?: Delivery): boolean {
    const key = line.id ? memberString(line.bytes, line.id) : undefined;
    const question = key === undefined ? undefined : this.#questions.get(key);
    if (key === undefined || !question || question.session !== session || !line.id) {
      this.#log.debug({}, 'a client answered what nobody asked');
      return false;
    }
    this.#questions.delete(key);
    question.connection.write(splice(line.bytes, [{ at: line.id, value: question.childId }]), delivery);
    return true;
  }

  onExit(connection: Connection): void {
    for (const [key, question] of this.#questions) {
      if (question.connection !== connection) continue;
      clearTimeout(question.patience);
      this.#questions.delete(key);
    }
  }

  close(): void {
    for (const { patience } of this.#questions.values()) clearTimeout(patience);
    this.#questions.clear();
    for (const session of this.#sessions.values()) session.stream?.end();
    this.#sessions.clear();
  }

  #onQuestion(line: Line, connection: Connection): void {
    if (!line.id) return;
    const childId = rawOf(line, line.id);
    if (line.method === 'ping') {
      connection.write(Buffer.from(`{"jsonrpc":"2.0","id":${childId.toString()},"result":{}}`));
      return;
    }
    if (!connection.initialize || this.#questions.size >= MAX_QUESTIONS) {
      refuse(connection, childId);
      return;
    }
    const key = `${this.#prefix}-${++this.#count}`;
    const question: Question = { connection, childId, line, session: undefined, patience: undefined };
    this.#questions.set(key, question);
    if (this.#ask(key, question)) return;
    question.patience = setTimeout(() => {
      this.#questions.delete(key);
      refuse(connection, childId);
    }, this.#patienceMs);
  }

  #ask(key: string, question: Question): boolean {
    const { line } = question;
    if (!line.id) return false;
    const message = splice(line.bytes, [{ at: line.id, value: JSON.stringify(key) }]);
    const call = this.#concerned(question.connection);
    const session = call ? this.#sessions.get(call.set.id) : this.#listener();
    if (!session) return false;
    const asked = call?.answer.event(message) || session.stream?.event(message);
    if (!asked) return false;
    clearTimeout(question.patience);
    question.session = session;
    return true;
  }

  #askAgain(): void {
    for (const [key, question] of this.#questions) if (!question.session) this.#ask(key, question);
  }

  /**
   * The newest call in flight, if possible one that can carry a message. Of a shared child only where all calls in flight,
   * abandoned ones and those just answered included, are of one session.
   */
  #concerned(connection: Connection): PendingCall | undefined {
    let newest: PendingCall | undefined;
    for (const call of connection.calls()) {
      const foreign = newest && (newest.set !== call.set || !connection.initialize);
      if (this.#shared && foreign) return undefined;
      if (!newest || call.answer.canStream || !newest.answer.canStream) newest = call;
    }
    return this.#shared && newest && !connection.isAlone(newest) ? undefined : newest;
  }

  /** The newest GET stream; none of a shared child. */
  #listener(): Session | undefined {
    let newest: Session | undefined;
    if (!this.#shared) for (const session of this.#sessions.values()) if (session.stream) newest = session;
    return newest;
  }

  #onNotification(line: Line, connection: Connection): void {
    if (line.method === 'notifications/progress') {
      connection.find(mintedNumber(line, findMember(line.params, 'progressToken')))?.deliverProgress(line);
      return;
    }
    if (line.method === 'notifications/cancelled') {
      this.#onCancelled(line, connection);
      return;
    }
    const subscription = findMeta(line, line.params, SUBSCRIPTION_KEY);
    if (subscription) {
      connection.find(mintedNumber(line, subscription))?.deliverSubscription(line);
      return;
    }
    if (line.method?.endsWith('/list_changed')) this.#broadcast(line, () => true);
    else if (line.method === 'notifications/resources/updated') {
      const uri = memberString(line.bytes, findMember(line.params, 'uri')) ?? '';
      this.#broadcast(line, (session) => !this.#shared || session.subscriptions.has(uri));
    } else this.#tell(line, connection);
  }

  /** The child no longer wants an answer: the client hears its own number for the question. */
  #onCancelled(line: Line, connection: Connection): void {
    const at = findMember(line.params, 'requestId');
    if (!at) return;
    const childId = rawOf(line, at);
    for (const [key, question] of this.#questions) {
      if (question.connection !== connection || !question.childId.equals(childId)) continue;
      clearTimeout(question.patience);
      this.#questions.delete(key);
      if (question.session) send(question.session, splice(line.bytes, [{ at, value: JSON.stringify(key) }]));
      return;
    }
  }

  /** To each session once. */
  #broadcast(line: Line, to: (session: Session) => boolean): void {
    for (const session of this.#sessions.values()) if (to(session)) send(session, line.bytes);
  }

  /** A log message and the like: to the call it is most likely about, or to whoever listens. */
  #tell(line: Line, connection: Connection): void {
    const call = this.#concerned(connection);
    if (call?.deliver(line)) return;
    const session = call ? this.#sessions.get(call.set.id) : this.#listener();
    session?.stream?.event(line.bytes);
  }
}

/** On the GET stream, or else on the newest call that streams. */
function send(session: Session, message: Buffer): void {
  if (session.stream?.event(message)) return;
  for (const call of [...session.calls].reverse()) if (call.sent && call.answer.event(message)) return;
}

function refuse(connection: Connection, childId: Buffer): void {
  if (connection.alive) connection.write(errorLine(childId, -32601, 'No client is there to answer'));
}

/** A client's `notifications/cancelled`, in the server's numbers: to each call that it can mean. */
export function passCancelled(line: Line, session: CallSet): void {
  const at = findMember(line.params, 'requestId');
  if (!at) return;
  const clientId = rawOf(line, at);
  for (const call of session.calls) {
    if (!call.sent || !call.clientId.equals(clientId)) continue;
    call.connection?.write(splice(line.bytes, [{ at, value: String(call.mintedId) }]));
  }
}
