import { GatehouseError } from '#core/error.ts';

/** `conflict`, in words that name what is taken. */
export async function naming<T>(message: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof GatehouseError) || thrown.code !== 'conflict') throw thrown;
    throw new GatehouseError('conflict', { message, cause: thrown });
  }
}
