/** An editor for Cedar, JSON and YAML, with what is wrong marked where it is. Loaded by the pages that need it. */
import { json } from '@codemirror/lang-json';
import { yaml } from '@codemirror/lang-yaml';
import { type Diagnostic, linter } from '@codemirror/lint';
import { EditorView } from '@codemirror/view';
import { useComputedColorScheme } from '@mantine/core';
import CodeMirror from '@uiw/react-codemirror';
import { cedar, cedarLanguage } from 'codemirror-lang-cedar';
import { useMemo } from 'react';
import { cspNonce } from './csp-nonce.ts';

export type { Diagnostic };

/** Its greys and reds are too pale before the usual dark. */
const deep = EditorView.theme({
  '&.cm-editor': { backgroundColor: '#14171c' },
  '&.cm-editor .cm-gutters': { backgroundColor: '#14171c' },
  '&.cm-editor .cm-activeLine, &.cm-editor .cm-activeLineGutter': { backgroundColor: '#181c22' },
});

/** What can be written next, as CodeMirror has it. */
export interface Suggestion {
  readonly label: string;
  readonly type: string;
  readonly detail?: string;
}

interface EditorProps {
  readonly label: string;
  readonly language: 'cedar' | 'json' | 'yaml';
  readonly value: string;
  readonly onChange?: (value: string) => void;
  readonly height?: string;
  /** Asked a moment after typing stops. */
  /** Of Cedar: offered while one types. */
  readonly suggestions?: readonly Suggestion[];
  readonly check?: (text: string) => Promise<readonly Diagnostic[]>;
}

interface Asked {
  readonly pos: number;
  readonly explicit: boolean;
  matchBefore(words: RegExp): { readonly from: number; readonly to: number } | null;
}

const completing = (suggestions: readonly Suggestion[]) => {
  const options = suggestions.map((each) => ({
    ...each,
    apply: (view: EditorView, _chosen: unknown, from: number, to: number) => put(view, each.label, { from, to }),
  }));
  return (asked: Asked) => {
    const word = asked.matchBefore(/[\w.:"-]+/);
    return word || asked.explicit ? { from: word?.from ?? asked.pos, options, validFor: /^[\w.:"-]*$/ } : null;
  };
};

function put(view: EditorView, text: string, { from, to }: { readonly from: number; readonly to: number }): void {
  // A quote that the editor closed by itself is the suggestion's own.
  const end = text.endsWith('"') && view.state.sliceDoc(to, to + 1) === '"' ? to + 1 : to;
  view.dispatch({ changes: { from, to: end, insert: text }, selection: { anchor: from + text.length } });
}

export function CodeEditor({ label, language, value, onChange, height = '320px', check, suggestions }: EditorProps) {
  const scheme = useComputedColorScheme('light');
  const extensions = useMemo(
    () => [
      { cedar, json, yaml }[language](),
      EditorView.cspNonce.of(cspNonce()),
      EditorView.lineWrapping,
      ...(scheme === 'dark' ? [deep] : []),
      ...(suggestions ? [cedarLanguage.data.of({ autocomplete: completing(suggestions) })] : []),
      EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
      ...(check ? [linter((view) => check(view.state.doc.toString()), { delay: 400 })] : []),
    ],
    [language, label, check, scheme, suggestions],
  );
  return (
    <CodeMirror
      value={value}
      height={height}
      theme={scheme}
      extensions={extensions}
      readOnly={onChange === undefined}
      onChange={(text) => onChange?.(text)}
      basicSetup={{ foldGutter: false }}
    />
  );
}
