/** What was opened is closed in reverse, each once, also when opening stopped half-way. */
import type { Log } from '#core/log.ts';

export interface Closers {
  add(what: string, close: () => Promise<void> | void): void;
  closeAll(log: Log): Promise<void>;
}

export function openClosers(): Closers {
  const stack: { readonly what: string; readonly close: () => Promise<void> | void }[] = [];
  return {
    add(what, close) {
      stack.push({ what, close });
    },
    async closeAll(log) {
      for (let next = stack.pop(); next; next = stack.pop()) {
        try {
          await next.close();
        } catch (error) {
          log.error({ err: error }, `could not close the ${next.what}`);
        }
      }
    },
  };
}
