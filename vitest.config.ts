import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { RequirementsReporter } from './test/kit/requirements-reporter.ts';

const shared = {
  pool: 'forks',
  testTimeout: 30_000,
  hookTimeout: 60_000,
  // Hundreds of gateways and commands start in a run: their TypeScript is read once.
  env: { NODE_COMPILE_CACHE: join(import.meta.dirname, '.cache/compile') },
} as const;

/** What takes a real browser minutes, every page of the portal in every look, is a lane of its own: `npm run test:portal`. */
const portalLane = ['every-page', 'hostile-text', 'scale'].map((name) => `test/portal/browser/${name}.test.ts`);

// biome-ignore lint/style/noDefaultExport: vitest asks for it
export default defineConfig(({ mode }) => ({
  test: {
    globalSetup: ['test/kit/postgres-setup.ts'],
    // As many as there are processors: vitest's own choice is one less, which on two of them is one after the other.
    maxWorkers: '100%',
    reporters: ['default', ['json', { outputFile: '.cache/vitest.json' }], new RequirementsReporter()],
    coverage: { include: ['src/**'], reportsDirectory: 'coverage' },
    projects: [
      // Black box: whole gateways, memory that is measured, processes that are ended. A process for each file.
      {
        test: {
          ...shared,
          name: 'gateway',
          include: ['test/**/*.test.ts'],
          exclude: mode === 'portal' ? [] : portalLane,
        },
      },
      // Beside the code: files share a process, and load what they have in common once.
      { test: { ...shared, name: 'unit', include: ['src/**/*.test.ts'], isolate: false } },
    ],
  },
}));
