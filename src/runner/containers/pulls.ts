/** Images that a platform administrator wants to have here. No call ever pulls. */
import { GatehouseError } from '#core/error.ts';
import type { Engine } from './engine.ts';
import { EngineError } from './engine-http.ts';
import { checkImage } from './images.ts';

export interface Pulled {
  /** `pulling`: it goes on; ask again. */
  readonly state: 'pulling' | 'here';
  /** What the engine said last. */
  readonly progress: string | undefined;
  /** `sha256:…`, once it is here. */
  readonly id: string | undefined;
  readonly digests: readonly string[];
}

/** Waits for `waitMs` at most. Throws GatehouseError `bad_request`, `forbidden`, `upstream_busy`, `upstream_broken` with what the engine says. */
export type PullImage = (reference: string, waitMs: number) => Promise<Pulled>;

const MAX_PULLS = 4;

interface Pull {
  readonly done: Promise<void>;
  progress: string | undefined;
}

/** `patterns`: `runner.images`. */
export function openPulls(engine: () => Promise<Engine>, patterns: readonly string[] | undefined): PullImage {
  const pulls = new Map<string, Pull>();
  return async (reference, waitMs) => {
    // What may not run is not fetched either.
    const digests = reference.includes('@') ? [reference] : [];
    checkImage(reference, { id: '', digests, volumes: [], ports: [] }, patterns);
    try {
      const pull = pulls.get(reference) ?? begin(reference, { pulls, engine: await engine() });
      if (!(await isDone(pull.done, waitMs)))
        return { state: 'pulling', progress: pull.progress, id: undefined, digests: [] };
      const image = await (await engine()).findImage(reference);
      return { state: 'here', progress: pull.progress, id: image?.id, digests: image?.digests ?? [] };
    } catch (thrown) {
      if (!(thrown instanceof EngineError)) throw thrown;
      throw new GatehouseError('upstream_broken', { message: thrown.message, cause: thrown });
    }
  };
}

function begin(
  reference: string,
  { pulls, engine }: { readonly pulls: Map<string, Pull>; readonly engine: Engine },
): Pull {
  const under = pulls.get(reference);
  if (under) return under;
  if (pulls.size >= MAX_PULLS) throw new GatehouseError('upstream_busy', { message: 'Other images are being pulled' });
  const hear = (line: string) => {
    pull.progress = line;
  };
  const done = engine.pull(reference, { hear }).finally(() => pulls.delete(reference));
  // Whoever asks hears of it: nobody may be asking at the moment.
  done.catch(() => undefined);
  const pull: Pull = { done, progress: undefined };
  pulls.set(reference, pull);
  return pull;
}

async function isDone(done: Promise<void>, waitMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), waitMs).unref();
  try {
    return await Promise.race([done.then(() => true), promise]);
  } finally {
    clearTimeout(timer);
  }
}
