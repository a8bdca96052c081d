/** A list to its end, for what is drawn as a whole: ask for large pages. */
import { useEffect } from 'react';
import type { RouteInput } from './client.ts';
import { type Item, type List, type ListName, useList } from './hooks.ts';

interface All<T> extends List<T> {
  /** Nothing is missing. */
  readonly isComplete: boolean;
}

export function useAll<Name extends ListName>(name: Name, input: RouteInput<Name>, enabled = true): All<Item<Name>> {
  const list = useList(name, input, { enabled });
  const { hasMore, isLoadingMore, loadMore } = list;
  useEffect(() => {
    if (hasMore && !isLoadingMore) loadMore();
  }, [hasMore, isLoadingMore, loadMore]);
  return { ...list, isComplete: !list.isLoading && !hasMore };
}
