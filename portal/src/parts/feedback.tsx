/** Messages and questions: what shows them is loaded with the first, so that the first view goes without. */
import { lazy, Suspense, useSyncExternalStore } from 'react';

const Shown = lazy(async () => ({ default: (await import('./feedback-shown.tsx')).FeedbackShown }));

const listeners = new Set<() => void>();
const mounted = Promise.withResolvers<void>();
let isWanted = false;

/** Settles once messages and questions are shown. */
export function openFeedback(): Promise<void> {
  isWanted = true;
  for (const listener of listeners) listener();
  return mounted.promise;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Once, around no other part. */
export function Feedback() {
  const isOn = useSyncExternalStore(subscribe, () => isWanted);
  return isOn ? (
    <Suspense>
      <Shown onMounted={mounted.resolve} />
    </Suspense>
  ) : null;
}

interface Message {
  readonly title?: string;
  readonly message: string;
  readonly color: 'green' | 'red';
  readonly autoClose?: number;
}

export async function showMessage(message: Message): Promise<void> {
  await openFeedback();
  const { notifications } = await import('@mantine/notifications');
  notifications.show({ ...message, withCloseButton: true, closeButtonProps: { 'aria-label': 'Close this message' } });
}
