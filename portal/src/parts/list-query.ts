/** What a list asks the server for, from the address: search and order. */
import { useUrlState } from './url-state.ts';

interface ListQuery<Column extends string> {
  readonly search?: string;
  readonly sort?: Column | `-${Column}`;
}

/** `columns`: those that the route sorts by; anything else in the address is not asked for. */
export function useListQuery<const Column extends string>(columns: readonly Column[]): ListQuery<Column> {
  const [search] = useUrlState('search');
  const [sort] = useUrlState('sort');
  const orders = columns.flatMap((name): (Column | `-${Column}`)[] => [name, `-${name}`]);
  const order = orders.find((each) => each === sort);
  return { ...(search !== '' && { search }), ...(order !== undefined && { sort: order }) };
}
