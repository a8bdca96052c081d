/** The documents as a site: `npm run site` prepares `site/src/content` from docs/ and builds `site/dist`. */
import starlight from '@astrojs/starlight';
import { defineConfig } from 'astro/config';
import { base, sidebar } from './sidebar.ts';

// biome-ignore lint/style/noDefaultExport: astro asks for it
export default defineConfig({
  base,
  trailingSlash: 'always',
  telemetry: false,
  integrations: [
    starlight({
      title: 'Gatehouse',
      description: 'One door to every MCP server that an organization uses.',
      logo: { src: './src/assets/icon.svg' },
      favicon: '/icon.svg',
      sidebar,
      customCss: ['./src/site.css'],
      credits: false,
    }),
  ],
});
