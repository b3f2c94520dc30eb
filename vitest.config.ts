import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'packages/*/src/**/*.test.ts',
            'test/contract/**/*.test.ts',
            'test/fuzz/**/*.test.ts',
            'test/simulation/**/*.test.ts',
          ],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts', 'test/hostile/**/*.test.ts', 'packages/*/examples/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Every test starts real daemons; two at a time would fight over the same two cores.
          fileParallelism: false,
          // After the unit tests, not beside them.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
