/** One thing with the mark of its version: a change that carries the mark overwrites nobody else's. */
import { useQuery } from '@tanstack/react-query';
import { addressOf, fetchApi, type RouteInput, type RouteName, type RouteOutput } from './client.ts';
import { routes } from './routes.ts';

interface Tagged<T> {
  readonly item: T;
  /** undefined: the route gives none. */
  readonly etag: string | undefined;
}

/** A GET route of one thing, by its path parameters alone. */
export function useTagged<Name extends RouteName>(name: Name, input: RouteInput<Name>, enabled = true) {
  return useQuery({
    queryKey: [name, input, 'tagged'],
    queryFn: async ({ signal }): Promise<Tagged<RouteOutput<Name>>> => {
      const response = await fetchApi(addressOf(routes[name][1], input as Record<string, unknown>).url, { signal });
      const item = (await response.json()) as RouteOutput<Name>;
      return { item, etag: response.headers.get('etag') ?? undefined };
    },
    enabled,
  });
}
