/** Reading and changing through the API, with what people see of it: states, toasts, lists that go on. */
import {
  keepPreviousData,
  type QueryKey,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query';
import { showMessage } from '#portal/parts/feedback.tsx';
import { ApiError, call, type RouteInput, type RouteName, type RouteOutput } from './client.ts';

interface ReadOptions {
  readonly enabled?: boolean;
  /** Read again this often. */
  readonly everyMs?: number;
}

export function useRoute<Name extends RouteName>(name: Name, input: RouteInput<Name>, options: ReadOptions = {}) {
  return useQuery({
    queryKey: [name, input],
    queryFn: ({ signal }) => call(name, input, { signal }),
    enabled: options.enabled ?? true,
    ...(options.everyMs !== undefined && { refetchInterval: options.everyMs }),
    placeholderData: keepPreviousData,
  });
}

/** Routes whose answer is `{items, next?}`. */
export type ListName = {
  [Name in RouteName]: RouteOutput<Name> extends { readonly items: readonly unknown[] } ? Name : never;
}[RouteName];

export type Item<Name extends ListName> =
  RouteOutput<Name> extends { readonly items: readonly (infer T)[] } ? T : never;

export interface List<T> {
  readonly items: readonly T[];
  readonly isLoading: boolean;
  readonly error: Error | null;
  readonly hasMore: boolean;
  readonly isLoadingMore: boolean;
  readonly loadMore: () => void;
  readonly reload: () => void;
}

export function useList<Name extends ListName>(
  name: Name,
  input: RouteInput<Name>,
  options: ReadOptions = {},
): List<Item<Name>> {
  const query = useInfiniteQuery({
    queryKey: [name, input, 'list'],
    queryFn: ({ signal, pageParam }) =>
      call(name, (pageParam === undefined ? input : { ...input, cursor: pageParam }) as RouteInput<Name>, { signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => (page as { readonly next?: string | null }).next ?? undefined,
    enabled: options.enabled ?? true,
    ...(options.everyMs !== undefined && { refetchInterval: options.everyMs }),
    placeholderData: keepPreviousData,
  });
  const pages = (query.data?.pages ?? []) as readonly { readonly items: readonly Item<Name>[] }[];
  return {
    items: pages.flatMap(({ items }) => items),
    isLoading: query.isPending,
    error: query.error,
    hasMore: query.hasNextPage,
    isLoadingMore: query.isFetchingNextPage,
    loadMore: () => void query.fetchNextPage(),
    reload: () => void query.refetch(),
  };
}

interface ChangeOptions<Name extends RouteName> {
  /** Routes whose answers are another by it. */
  readonly refreshes: readonly RouteName[];
  /** Said when it is done. */
  readonly done?: string | ((output: RouteOutput<Name>) => string);
  /** The caller shows the refusal itself. */
  readonly quiet?: boolean;
}

/** A change; `mutateAsync` rejects with what was refused, which has been shown by then. */
export function useChange<Name extends RouteName>(name: Name, { refreshes, done, quiet }: ChangeOptions<Name>) {
  const client = useQueryClient();
  return useMutation<RouteOutput<Name>, Error, RouteInput<Name> & { readonly etag?: string }>({
    mutationFn: ({ etag, ...input }) => call(name, input as unknown as RouteInput<Name>, { etag }),
    onSuccess: async (output) => {
      if (done !== undefined) say(typeof done === 'string' ? done : done(output));
      await refresh(client, refreshes);
    },
    onError: (error) => {
      if (!quiet) sayRefused(error);
    },
  });
}

const refresh = (client: ReturnType<typeof useQueryClient>, names: readonly RouteName[]) =>
  Promise.all(names.map((name) => client.invalidateQueries({ queryKey: [name] as QueryKey })));

export const say = (message: string): void => {
  void showMessage({ message, color: 'green' });
};

export const sayRefused = (error: unknown): void => {
  void showMessage({ title: 'That did not work', message: messageOf(error), color: 'red', autoClose: 10_000 });
};

export function messageOf(error: unknown): string {
  if (error instanceof ApiError || error instanceof Error) return error.message;
  return 'Something unexpected happened: reload the page';
}
