import { beforeEach, describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/error.ts';
import { type ManualTime, openManualTime, settled } from '#kit/manual-time.ts';
import { type Loaded, openShelf, type Shelf, type Wish } from './shelf.ts';

interface Value {
  readonly text: string;
}

/** A server whose answers come when the test says so. */
class Source {
  asked = 0;
  readonly #waiting: PromiseWithResolvers<Loaded<Value>>[] = [];

  readonly load = () => {
    this.asked++;
    const answer = Promise.withResolvers<Loaded<Value>>();
    this.#waiting.push(answer);
    return answer.promise;
  };

  /** Of whoever asks now. */
  answer(text: string, ttlMs = 1000): void {
    for (const { resolve } of this.#waiting.splice(0))
      resolve({ value: { text }, ttlMs, saidMs: ttlMs, bytes: text.length });
  }

  fail(error: unknown = new GatehouseError('upstream_unreachable')): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

describe('a shelf of last good values', () => {
  let time: ManualTime;
  let shelf: Shelf<Value>;
  let changed: string[];
  let failed: number;
  beforeEach(() => {
    time = openManualTime();
    changed = [];
    failed = 0;
    shelf = openShelf<Value>({
      clock: time.clock,
      after: time.after,
      random: () => 0,
      patienceMs: 40,
      firstPatienceMs: 2000,
      maxBytes: 1_000_000,
      isSame: (a, b) => a.text === b.text,
      onChanged: (group) => changed.push(group),
      onFailed: () => failed++,
    });
  });

  const wish = (source: Source, name: string, kind = 'tools'): Wish<Value> => ({
    key: `${kind} ${name}`,
    group: `${kind} ${name}`,
    source: name,
    load: source.load,
  });
  /** What was shown, and how many milliseconds it took. */
  const timed = (wishes: readonly Wish<Value>[]) => {
    const before = time.clock.monotonic();
    return shelf.read(wishes).then((shown) => ({
      texts: shown.map(({ value, isStale }) => `${value?.text ?? 'nothing'}${isStale ? ' (old)' : ''}`),
      ms: time.clock.monotonic() - before,
    }));
  };

  test('many who ask at once are one request [R25]', async () => {
    const source = new Source();
    const all = Promise.all(Array.from({ length: 50 }, () => timed([wish(source, 'a')])));
    await settled();
    source.answer('x');
    expect((await all).map(({ texts }) => texts)).toEqual(Array(50).fill(['x']));
    expect(source.asked).toBe(1);
    await timed([wish(source, 'a')]);
    expect(source.asked).toBe(1);
  });

  test('a server that hangs at its first list delays the others once, whatever is asked of it then [R10]', async () => {
    const [good, hanging] = [new Source(), new Source()];
    const first = timed([wish(good, 'good'), wish(hanging, 'hanging')]);
    await settled();
    good.answer('x', 3_600_000);
    await time.advance(2000);
    expect(await first).toEqual({ texts: ['x', 'nothing (old)'], ms: 2000 });
    expect(await timed([wish(good, 'good'), wish(hanging, 'hanging')])).toMatchObject({ ms: 0 });
    // Another list of the same server, and the same list once the request was given up.
    const other = timed([wish(hanging, 'hanging', 'prompts')]);
    await time.advance(40);
    expect(await other).toMatchObject({ ms: 40 });
    hanging.fail(new Error('timeout'));
    await time.advance(1000);
    const again = timed([wish(good, 'good'), wish(hanging, 'hanging')]);
    await time.advance(2000);
    expect((await again).ms).toBeLessThanOrEqual(40);
  });

  test('what is old is shown after a short time, marked, and its load is waited for only once [R10]', async () => {
    const source = new Source();
    const first = timed([wish(source, 'a')]);
    await settled();
    source.answer('x');
    await first;
    await time.advance(1001);
    const slow = timed([wish(source, 'a')]);
    await time.advance(40);
    expect(await slow).toEqual({ texts: ['x (old)'], ms: 40 });
    expect(await timed([wish(source, 'a')])).toEqual({ texts: ['x (old)'], ms: 0 });
    expect(source.asked).toBe(2);
    source.answer('y');
    await settled();
    expect(await timed([wish(source, 'a')])).toEqual({ texts: ['y'], ms: 0 });
    expect(changed).toEqual(['tools a']);
  });

  test('a server that failed comes back by itself, and whoever missed it is told [R10]', async () => {
    const source = new Source();
    const first = timed([wish(source, 'a')]);
    await settled();
    source.fail();
    expect(await first).toEqual({ texts: ['nothing (old)'], ms: 0 });
    for (let i = 0; i < 3; i++) {
      await time.advance(30_000);
      source.fail();
      await settled();
    }
    expect(failed).toBe(source.asked);
    expect(changed).toEqual([]);
    await time.advance(30_000);
    source.answer('x');
    await settled();
    expect(changed).toEqual(['tools a']);
    expect(await timed([wish(source, 'a')])).toEqual({ texts: ['x'], ms: 0 });
  });

  test('a dead server is asked ever more rarely, and no longer once nobody wants to know', async () => {
    const source = new Source();
    const first = timed([wish(source, 'a')]);
    const failing = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 1000) {
        await time.advance(1000);
        source.fail();
        await settled();
      }
    };
    await failing(120_000);
    await first;
    const early = source.asked;
    expect(early).toBeLessThan(15);
    await failing(600_000);
    const asked = source.asked;
    await failing(600_000);
    expect(source.asked - asked).toBeLessThanOrEqual(1);
  });

  test('what a server says to have changed is fetched anew, and told afterwards', async () => {
    const source = new Source();
    const first = timed([wish(source, 'a')]);
    await settled();
    source.answer('x', 3_600_000);
    await first;
    shelf.outdate('tools a');
    await settled();
    expect(changed).toEqual([]);
    source.answer('y', 3_600_000);
    await settled();
    expect(changed).toEqual(['tools a']);
    expect(await timed([wish(source, 'a')])).toEqual({ texts: ['y'], ms: 0 });
    // While one is on its way, it is asked once more.
    shelf.outdate('tools a');
    await settled();
    await time.advance(1);
    shelf.outdate('tools a');
    source.answer('z', 3_600_000);
    await settled();
    source.answer('zz', 3_600_000);
    await settled();
    expect(await timed([wish(source, 'a')])).toEqual({ texts: ['zz'], ms: 0 });
  });

  test('a flood of changes costs the server a handful of requests and one each five seconds [F2]', async () => {
    const source = new Source();
    const first = timed([wish(source, 'a')]);
    await settled();
    source.answer('0', 3_600_000);
    await first;
    for (let i = 0; i < 2000; i++) {
      shelf.outdate('tools a');
      source.answer(String(i), 3_600_000);
      await time.advance(10);
    }
    expect(source.asked).toBeLessThanOrEqual(1 + 5 + 5);
    expect(changed.length).toBeLessThanOrEqual(1 + 5 + 5);
    await time.advance(5000);
    source.answer('last', 3_600_000);
    await settled();
    expect((await timed([wish(source, 'a')])).texts).toEqual(['last']);
  });

  test('what does not fit is let go, the least used first', async () => {
    for (let i = 0; i < 30; i++) {
      const source = new Source();
      const read = timed([wish(source, `s${i}`)]);
      await settled();
      source.answer('x'.repeat(100_000), 3_600_000);
      await read;
    }
    expect(shelf.peek('tools s29')).toBeDefined();
    expect(shelf.peek('tools s0')).toBeUndefined();
  });
});
