/** Addresses to pages. The same build answers at `/admin`, `/mcp-admin` and `/me`. */
import { type ComponentType, lazy, Suspense } from 'react';
import { Route, Switch } from 'wouter';
import { myPages, organizationPages, type PortalPage, platformPages } from './pages.ts';
import { ErrorBoundary } from './parts/error-boundary.tsx';
import { NothingHere } from './parts/states.tsx';
import { FirstPage, Home } from './shell/home.tsx';
import { PageLoading } from './shell/page-loading.tsx';
import { here } from './shell/place.ts';

interface RoutedPage {
  readonly pattern: string;
  readonly Page: ComponentType;
}

/** Shows parts of styles.ts alone. */
const firstView = 'overview';

const routed = (parent: string, { path, load }: PortalPage): RoutedPage => ({
  pattern: `${parent}/${path}`,
  Page: lazy(async () => {
    const [{ Page }] = await Promise.all([load(), path === firstView ? undefined : import('./styles-later.ts')]);
    return { default: Page };
  }),
});

const pages: readonly RoutedPage[] =
  here.place === 'me'
    ? myPages.map((page) => routed('/o/:org', page))
    : [...organizationPages.map((page) => routed('/o/:org', page)), ...platformPages.map((page) => routed('', page))];

export function Pages() {
  return (
    <ErrorBoundary>
      <Suspense fallback={<PageLoading />}>
        <Switch>
          <Route path="/">
            <Home />
          </Route>
          <Route path="/o/:org">{({ org }) => <FirstPage org={org} />}</Route>
          {pages.map(({ pattern, Page }) => (
            <Route key={pattern} path={pattern}>
              <Page />
            </Route>
          ))}
          <Route>
            <NothingHere />
          </Route>
        </Switch>
      </Suspense>
    </ErrorBoundary>
  );
}
