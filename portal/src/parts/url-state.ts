/** The state of a list lives in the address: it survives a reload, a link and the way back. */
import { useSearchParams } from 'wouter';

/** One search parameter; `''` takes it away. */
export function useUrlState(name: string): readonly [string, (value: string) => void] {
  const [search, setSearch] = useSearchParams();
  const set = (value: string) =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        if (value === '') next.delete(name);
        else next.set(name, value);
        return next;
      },
      { replace: true },
    );
  return [search.get(name) ?? '', set];
}
