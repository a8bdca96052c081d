/** Which address of a server a call goes to. */
import type { BalancedEndpoint } from './endpoint.ts';

interface Choosing {
  /** Counts up: equals take turns. */
  readonly turn: number;
  readonly random: () => number;
  /** Was tried already. */
  readonly not?: BalancedEndpoint | undefined;
}

/** From here on two are compared, not all: the difference is small, the work isn't. */
const MANY = 8;

/** Undefined: there is no other. */
export function chooseEndpoint(
  all: readonly BalancedEndpoint[],
  { turn, random, not }: Choosing,
): BalancedEndpoint | undefined {
  const some = candidates(all).filter((endpoint) => endpoint !== not);
  // Rather one that fails than nothing.
  const from = some.length > 0 ? some : all.filter((endpoint) => endpoint !== not);
  if (from.length <= MANY) return cheapest(from, turn);
  const first = Math.floor(random() * from.length);
  const second = (first + 1 + Math.floor(random() * (from.length - 1))) % from.length;
  return cheapest(
    [first, second].flatMap((at) => from[at] ?? []),
    turn,
  );
}

/** At most half are left out, and never all (SECURITY 3.5, the panic rule): of more, those whose time is up first. */
function candidates(all: readonly BalancedEndpoint[]): readonly BalancedEndpoint[] {
  const open = all.filter((endpoint) => endpoint.isOpen);
  const wanted = Math.ceil(all.length / 2);
  if (open.length >= wanted) return open;
  const others = all.filter((endpoint) => !endpoint.isOpen).sort((a, b) => a.ejectedUntil - b.ejectedUntil);
  return [...open, ...others.slice(0, wanted - open.length)];
}

function cheapest(from: readonly BalancedEndpoint[], turn: number): BalancedEndpoint | undefined {
  let best: BalancedEndpoint | undefined;
  for (let i = 0; i < from.length; i++) {
    const endpoint = from[(turn + i) % from.length];
    if (endpoint && (!best || endpoint.inFlight < best.inFlight)) best = endpoint;
  }
  return best;
}
