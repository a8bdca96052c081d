import { defineConfig } from 'vitest/config';
import { RequirementsReporter } from './test/kit/requirements-reporter.ts';

// biome-ignore lint/style/noDefaultExport: vitest asks for it
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    globalSetup: ['test/kit/postgres-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', ['json', { outputFile: '.cache/vitest.json' }], new RequirementsReporter()],
    coverage: { include: ['src/**'], reportsDirectory: 'coverage' },
  },
});
