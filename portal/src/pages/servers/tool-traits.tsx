/** What a tool says of itself: hints, never promises. */
import { Badge } from '@mantine/core';

type Tool = Readonly<Record<string, unknown>>;

const annotationsOf = ({ annotations }: Tool): Readonly<Record<string, unknown>> =>
  typeof annotations === 'object' && annotations !== null ? { ...annotations } : {};

export const isReadOnly = (tool: Tool): boolean => annotationsOf(tool).readOnlyHint === true;
export const isDestructive = (tool: Tool): boolean => {
  const { readOnlyHint, destructiveHint } = annotationsOf(tool);
  return readOnlyHint !== true && destructiveHint === true;
};

export const traitsOf = (tool: Tool) => [
  isReadOnly(tool) && (
    <Badge key="read" color="green" variant="light" size="xs" tt="none">
      says it only reads
    </Badge>
  ),
  isDestructive(tool) && (
    <Badge key="destroy" color="red" variant="light" size="xs" tt="none">
      says it may destroy
    </Badge>
  ),
];
