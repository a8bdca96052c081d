/** Who uses what, as figures: one series for each organization and server up to a number, `other` beyond it (I7). */
import { Counter, type Registry } from 'prom-client';
import type { CallRecord } from '#records/call-record.ts';

const mostOrganizations = 200;
const mostServers = 300;
const results = ['success', 'failure'] as const;

interface Pair {
  success: number;
  failure: number;
}

/** A name gets a series by a call that succeeded: what a stranger sends makes none. */
class BoundedCounter {
  readonly #label: string;
  readonly #most: number;
  readonly #counts = new Map<string, Pair>();

  constructor(
    registry: Registry,
    { name, help, label, most }: Readonly<Record<'name' | 'help' | 'label', string>> & { readonly most: number },
  ) {
    this.#label = label;
    this.#most = most;
    const fill = (counter: Counter) => this.#fill(counter);
    new Counter({
      ...{ name, help, labelNames: [label, 'result'], registers: [registry] },
      collect() {
        fill(this);
      },
    });
  }

  add(name: string, result: keyof Pair): void {
    let pair = this.#counts.get(name);
    if (!pair) {
      const shown = result === 'success' && this.#counts.size < this.#most ? name : 'other';
      pair = this.#counts.get(shown) ?? { success: 0, failure: 0 };
      this.#counts.set(shown, pair);
    }
    pair[result] += 1;
  }

  #fill(counter: Counter): void {
    counter.reset();
    for (const [name, pair] of this.#counts)
      for (const result of results) counter.inc({ [this.#label]: name, result }, pair[result]);
  }
}

/** Never throws. */
export function openAccessMetrics(registry: Registry): (record: CallRecord) => void {
  const organizations = new BoundedCounter(registry, {
    ...{ name: 'gatehouse_organization_calls_total', help: 'Calls that ended, by organization' },
    ...{ label: 'organization', most: mostOrganizations },
  });
  const servers = new BoundedCounter(registry, {
    ...{
      name: 'gatehouse_server_calls_total',
      help: 'Calls that ended, by server',
      label: 'server',
      most: mostServers,
    },
  });
  return ({ org, server, status, reason, open }) => {
    if (open) return;
    const result = status < 400 && reason === null ? 'success' : 'failure';
    if (org !== null) organizations.add(org, result);
    if (server !== null) servers.add(server, result);
  };
}
