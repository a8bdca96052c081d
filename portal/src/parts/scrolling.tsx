/** A region that scrolls by itself. */
import type { ComponentPropsWithRef } from 'react';

interface ScrollingProps extends Omit<ComponentPropsWithRef<'section'>, 'aria-label' | 'tabIndex'> {
  /** As a screen reader names it. */
  readonly label: string;
}

/** `className`: in place of what bounds its height by the window's. */
export function Scrolling({ label, className = 'scrolling', ...props }: ScrollingProps) {
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
  return <section className={className} aria-label={label} tabIndex={0} {...props} />;
}
