import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startConformanceServer } from '#kit/conformance-server.ts';
import { startSubject } from '#kit/conformance-subject.ts';
import { failedRequired, revisions, runSuite } from './suite.ts';

type Fixture = Awaited<ReturnType<typeof startConformanceServer>>;

describe('the official conformance suite', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await startConformanceServer();
  });
  afterAll(() => fixture.close());

  test.each(revisions)(
    'the fixture itself meets everything that %s requires',
    async (revision) => {
      expect(failedRequired(await runSuite(fixture.url, revision))).toEqual([]);
    },
    90_000,
  );

  describe('through the gateway', () => {
    let subject: Awaited<ReturnType<typeof startSubject>>;
    beforeAll(async () => {
      subject = await startSubject(fixture.url);
    });
    afterAll(() => subject?.close());

    test.each(revisions)(
      'everything that %s requires of a server passes [S0.9] [E13]',
      async (revision) => {
        expect(failedRequired(await runSuite(subject.url, revision))).toEqual([]);
      },
      180_000,
    );
  });
});
