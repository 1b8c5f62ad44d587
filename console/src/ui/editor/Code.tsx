import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, foldGutter, foldKeymap, indentOnInput, syntaxHighlighting, type LanguageSupport } from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { useEffect, useRef } from "react";

import { colours, look } from "./look";

export type EditorLanguage = "javascript" | "typescript" | "python" | "go" | "sql" | "json" | "text";

export interface EditorProps {
  value: string;
  onChange?: (value: string) => void;
  language: EditorLanguage;
  /** What it is, for who does not see it. */
  label: string;
  /** A CSS length; default 20rem. */
  height?: string;
  readOnly?: boolean;
  /** What Ctrl-Enter and Ctrl-S do. */
  onSubmit?: () => void;
}

/** Each language is a file of its own, fetched when it is first used. */
const LANGUAGES: Record<EditorLanguage, (() => Promise<LanguageSupport>) | undefined> = {
  javascript: () => import("@codemirror/lang-javascript").then(({ javascript }) => javascript()),
  typescript: () => import("@codemirror/lang-javascript").then(({ javascript }) => javascript({ typescript: true })),
  python: () => import("@codemirror/lang-python").then(({ python }) => python()),
  go: () => import("@codemirror/lang-go").then(({ go }) => go()),
  sql: () => import("@codemirror/lang-sql").then(({ sql, SQLite }) => sql({ dialect: SQLite })),
  json: () => import("@codemirror/lang-json").then(({ json }) => json()),
  text: undefined,
};

export function Code(props: EditorProps) {
  const { language, label, value } = props;
  const readOnly = props.readOnly ?? props.onChange === undefined;
  const parent = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const speaks = useRef(new Compartment());
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    if (parent.current === null) return;
    const submit = () => {
      latest.current.onSubmit?.();
      return latest.current.onSubmit !== undefined;
    };
    const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
    view.current = new EditorView({
      parent: parent.current,
      state: EditorState.create({
        doc: latest.current.value,
        extensions: [
          EditorView.cspNonce.of(nonce),
          keymap.of([
            { key: "Mod-Enter", run: submit, preventDefault: true },
            { key: "Mod-s", run: submit, preventDefault: true },
          ]),
          lineNumbers(),
          highlightSpecialChars(),
          history(),
          foldGutter(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          autocompletion(),
          highlightActiveLine(),
          highlightActiveLineGutter(),
          highlightSelectionMatches(),
          syntaxHighlighting(colours),
          // Escape, then Tab, leaves the editor.
          keymap.of([
            ...closeBracketsKeymap,
            ...defaultKeymap,
            ...searchKeymap,
            ...historyKeymap,
            ...foldKeymap,
            ...completionKeymap,
            indentWithTab,
          ]),
          speaks.current.of([]),
          look,
          EditorState.readOnly.of(readOnly),
          EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange?.(update.state.doc.toString());
          }),
        ],
      }),
    });
    return () => view.current?.destroy();
  }, [label, readOnly]);

  useEffect(() => {
    let gone = false;
    void LANGUAGES[language]?.().then((support) => {
      if (!gone) view.current?.dispatch({ effects: speaks.current.reconfigure(support) });
    });
    return () => {
      gone = true;
    };
  }, [language, label, readOnly]);

  useEffect(() => {
    const { current } = view;
    // What was typed comes back as a value: only one that is another replaces the text.
    if (current !== undefined && current.state.doc.toString() !== value) {
      current.dispatch({ changes: { from: 0, to: current.state.doc.length, insert: value } });
    }
  }, [value]);

  return <div ref={parent} style={{ height: props.height ?? "20rem" }} />;
}
