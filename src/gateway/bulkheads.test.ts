import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { asOrgId, asServerId } from '#core/ids.ts';
import { openBulkheads } from './bulkheads.ts';

const [acme, globex, files] = [asOrgId('acme'), asOrgId('globex'), asServerId('files')];

describe('places at a server', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const open = () => openBulkheads({ places: 2, queue: 2, waitMs: 1000 });

  test('each organization has its own; whoever finds none waits its turn, and too many are refused [C15]', async () => {
    const bulkheads = open();
    const first = bulkheads.enter(acme, files);
    const second = bulkheads.enter(acme, files);
    if (first instanceof Promise || second instanceof Promise) throw new Error('there was a place');
    const turns: string[] = [];
    const waiting = ['third', 'fourth'].map(async (name) => {
      const leave = await bulkheads.enter(acme, files);
      turns.push(name);
      return leave;
    });
    expect(bulkheads.waiting).toBe(2);
    expect(() => bulkheads.enter(acme, files)).toThrow('Upstream server is at its limit');
    expect(bulkheads.enter(globex, files)).toBeInstanceOf(Function);
    first();
    first();
    await vi.advanceTimersByTimeAsync(0);
    expect(turns).toEqual(['third']);
    second();
    for (const leave of await Promise.all(waiting)) leave();
    expect(turns).toEqual(['third', 'fourth']);
    expect(bulkheads.enter(acme, files)).toBeInstanceOf(Function);
  });

  test('nobody waits for longer than the time for it', async () => {
    const bulkheads = open();
    void bulkheads.enter(acme, files);
    void bulkheads.enter(acme, files);
    const waiting = Promise.resolve(bulkheads.enter(acme, files)).catch((error) => error.code);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await waiting).toBe('upstream_busy');
    expect(bulkheads.waiting).toBe(0);
  });
});
