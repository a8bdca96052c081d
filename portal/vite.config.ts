/** The portal's build: `npm run build:portal` writes portal/dist, which the gateway serves. */
import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// biome-ignore lint/style/noDefaultExport: vite asks for it
export default defineConfig({
  root: import.meta.dirname,
  // Of all the portal's addresses, the one that is always ours (DESIGN 2, ruling 18).
  base: '/mcp-admin/',
  plugins: [react()],
  build: {
    outDir: join(import.meta.dirname, 'dist'),
    emptyOutDir: true,
    assetsDir: 'assets',
    // A page that is looked at needs its own parts only; what all share is one file.
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
    // Never inlined: the policy of the page allows no data: but pictures.
    assetsInlineLimit: 0,
  },
});
