/**
 * Counters and histograms of prom-client whose figures live in arrays: every combination of labels is known when they are
 * made, an observation is an addition at an index, and label objects appear only when the registry is read.
 */
import { Counter, Histogram, type Registry } from 'prom-client';

type Labels = Readonly<Record<string, readonly string[]>>;

interface Shape {
  readonly name: string;
  readonly help: string;
  readonly registers: Registry[];
  /** Combinations are numbered with the last label changing fastest. */
  readonly labels: Labels;
}

export function indexOf(values: readonly string[]): ReadonlyMap<string, number> {
  return new Map(values.map((value, index) => [value, index]));
}

function combinations(labels: Labels): Record<string, string>[] {
  let rows: Record<string, string>[] = [{}];
  for (const [name, values] of Object.entries(labels)) {
    rows = rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));
  }
  return rows;
}

export class ArrayCounter extends Counter {
  readonly #rows: readonly Record<string, string>[];
  readonly #values: Float64Array;

  constructor({ name, help, registers, labels }: Shape) {
    super({ name, help, registers, labelNames: Object.keys(labels) });
    this.#rows = combinations(labels);
    this.#values = new Float64Array(this.#rows.length);
  }

  add(index: number, by: number): void {
    this.#values[index] = (this.#values[index] ?? 0) + by;
  }

  /** Only what has been counted: combinations that never happened make no series. */
  override async get() {
    const figures = await super.get();
    const values = this.#rows.map((labels, index) => ({ labels, value: this.#values[index] ?? 0 }));
    return { ...figures, values: values.filter(({ value }) => value > 0) };
  }
}

export class ArrayHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #rows: readonly Record<string, string>[];
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  readonly #sums: Float64Array;

  constructor({ name, help, registers, labels, buckets }: Shape & { readonly buckets: readonly number[] }) {
    super({ name, help, registers, labelNames: Object.keys(labels), buckets: [...buckets] });
    this.#name = name;
    this.#help = help;
    this.#rows = combinations(labels);
    this.#bounds = buckets;
    this.#counts = new Float64Array(this.#rows.length * (buckets.length + 1));
    this.#sums = new Float64Array(this.#rows.length);
  }

  add(index: number, value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
    const at = index * (bounds.length + 1) + bucket;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sums[index] = (this.#sums[index] ?? 0) + value;
  }

  /** Where the library's registry, and its own `get`, read the figures; a method that its types leave out. */
  async getForPromString() {
    const values = this.#rows.flatMap((labels, index) => this.#valuesOf(labels, index));
    return { name: this.#name, help: this.#help, type: 'histogram', values, aggregator: 'sum' };
  }

  #valuesOf(sharedLabels: Record<string, string>, index: number) {
    const [name, width] = [this.#name, this.#bounds.length + 1];
    let below = 0;
    const values = [...this.#bounds, '+Inf'].map((le, bucket) => {
      below += this.#counts[index * width + bucket] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le }, sharedLabels, value: below };
    });
    if (below === 0) return [];
    const sum = { metricName: `${name}_sum`, labels: {}, sharedLabels, value: this.#sums[index] ?? 0 };
    return [...values, sum, { metricName: `${name}_count`, labels: {}, sharedLabels, value: below }];
  }
}
