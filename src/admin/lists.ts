/** Every item of a list, whoever asks for it page by page. */
import type { Contract, RouteInput, RouteName, RouteOutput } from './contract.ts';

/** Routes whose answer is a page. */
export type ListName = {
  [Name in RouteName]: Contract[Name] extends { readonly list: unknown } ? Name : never;
}[RouteName];

const mostOfPage = 1000;

/** Follows `next` until there is no more. */
export async function listAll<Name extends ListName>(
  call: (name: Name, input: RouteInput<Name>) => Promise<RouteOutput<Name>>,
  name: Name,
  input: RouteInput<Name>,
): Promise<RouteOutput<Name>['items']> {
  const all: unknown[] = [];
  let cursor: string | undefined;
  do {
    const page: { readonly items: readonly unknown[]; readonly next: string | null } = await call(name, {
      limit: mostOfPage,
      ...input,
      ...(cursor !== undefined && { cursor }),
    });
    all.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return all as RouteOutput<Name>['items'];
}
