/** A page that breaks leaves the navigation standing; another page starts anew. */
import { Component, type ReactNode } from 'react';
import { ErrorPanel } from './states.tsx';

interface Props {
  readonly children: ReactNode;
}

export class ErrorBoundary extends Component<Props, { readonly error: unknown }> {
  override state: { readonly error: unknown } = { error: undefined };
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  override render(): ReactNode {
    return this.state.error === undefined ? this.props.children : <ErrorPanel error={this.state.error} />;
  }
}
