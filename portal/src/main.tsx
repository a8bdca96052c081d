/** The portal: an administrator's and everybody's view of the gateway, over its admin API. */
import './trusted-types.ts';
import './styles.ts';
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { ApiError } from './api/client.ts';
import { cspNonce, shareNonce } from './parts/csp-nonce.ts';
import { Feedback } from './parts/feedback.tsx';
import { Pages } from './router.tsx';
import { here } from './shell/place.ts';
import { Shell } from './shell/shell.tsx';
import { theme, variables } from './theme.ts';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // What was refused stays refused.
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
  },
});

shareNonce();

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        cssVariablesResolver={variables}
        defaultColorScheme="auto"
        getStyleNonce={cspNonce}
      >
        <QueryClientProvider client={client}>
          <Feedback />
          <Router base={here.base}>
            <Shell>
              <Pages />
            </Shell>
          </Router>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
