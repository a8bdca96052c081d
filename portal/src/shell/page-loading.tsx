import { Skeleton, Stack } from '@mantine/core';

/** While a page is loaded. */
export function PageLoading() {
  return (
    <Stack aria-busy="true">
      <Skeleton h={32} w={220} />
      <Skeleton h={240} />
    </Stack>
  );
}
