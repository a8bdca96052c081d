/** What servers say without being asked: on the client's own stream, or to its `subscriptions/listen`. */
import { expect } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import { type ClientRow, isModern } from './clients.ts';
import { call, type Feature, type Pair } from './feature.ts';
import { watched } from './fixture.ts';
import type { ServerColumn } from './servers.ts';

const group = 'Unasked';

/** A dual server serves its legacy clients with sessions. */
const needsStream = (_row: ClientRow, column: ServerColumn) => (column.keepsSessions ? undefined : 'cannotTell');

/** Says it again until it is heard: a stream may still be on its way. */
async function heardAfter(pair: Pair, method: string): Promise<JsonObject> {
  const { client } = pair;
  client.heard.length = 0;
  const endsAt = performance.now() + 8000;
  for (;;) {
    await call(pair, 'announce');
    await new Promise((resolve) => setTimeout(resolve, 20));
    const found = client.heard.find((message) => message.method === method);
    if (found) return found;
    if (performance.now() > endsAt) throw new Error(`${method} was not heard`);
  }
}

export const unaskedFeatures: readonly Feature[] = [
  {
    title: 'notifications/tools/list_changed',
    group,
    gap: needsStream,
    async check(pair) {
      if (isModern(pair.row)) pair.client.listen({ toolsListChanged: true, resourceSubscriptions: [watched] });
      await heardAfter(pair, 'notifications/tools/list_changed');
    },
  },
  {
    title: 'notifications/resources/updated, of a resource that was subscribed to',
    group,
    gap: needsStream,
    async check(pair) {
      if (!isModern(pair.row)) await pair.client.request('resources/subscribe', { uri: watched });
      const { params } = await heardAfter(pair, 'notifications/resources/updated');
      expect(params).toMatchObject({ uri: watched });
    },
  },
];
