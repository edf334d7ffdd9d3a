/**
 * A field of text that never loses what is being typed: while it has the focus, what comes from elsewhere waits.
 *
 * Enter commits (in a form of the browser's it sends that, too), Escape takes back what was typed, leaving commits. With `live`, every key is told, too.
 */

import { useEffect, useRef, useState } from "preact/hooks";
import type { VNode } from "preact";

interface Props {
  readonly value: string;
  readonly onCommit: (text: string) => void;
  readonly onLive?: (text: string) => void;
  readonly label: string;
  readonly id?: string;
  readonly numeric?: boolean;
  readonly placeholder?: string;
  readonly invalid?: boolean;
  readonly describedBy?: string | undefined;
  readonly disabled?: boolean;
  readonly list?: string;
  readonly width?: number;
  readonly class?: string;
  /** Keys that the field does not know; true: it was taken care of. */
  readonly onKey?: (event: KeyboardEvent, text: string) => boolean;
  readonly onPaste?: (text: string) => boolean;
  readonly focus?: boolean;
}

export function TextField(props: Props): VNode {
  const { value, onCommit, onLive, numeric = false, invalid = false } = props;
  const input = useRef<HTMLInputElement>(null);
  const before = useRef(value);
  const [typed, setTyped] = useState<string | null>(null);
  const shown = typed ?? value;

  useEffect(() => {
    if (props.focus) input.current?.select();
  }, []);

  const commit = (text: string) => {
    setTyped(null);
    if (text !== before.current || text !== value) onCommit(text);
    before.current = text;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (props.onKey?.(event, shown)) return;
    if (event.key === "Enter") {
      if (!input.current?.form) event.preventDefault();
      commit(shown);
    } else if (event.key === "Escape" && shown !== before.current) {
      event.stopPropagation();
      setTyped(before.current);
      onLive?.(before.current);
    }
  };
  return (
    <input
      ref={input}
      id={props.id}
      class={`sw-field ${props.class ?? ""}`}
      type="text"
      inputMode={numeric ? "decimal" : "text"}
      autocomplete="off"
      autocapitalize="off"
      spellcheck={false}
      aria-label={props.label}
      aria-invalid={invalid ? "true" : undefined}
      aria-describedby={props.describedBy}
      list={props.list}
      placeholder={props.placeholder}
      disabled={props.disabled}
      size={props.width ?? 8}
      value={shown}
      onFocus={() => {
        before.current = value;
      }}
      onInput={(event) => {
        const text = event.currentTarget.value;
        setTyped(text);
        onLive?.(text);
      }}
      onPaste={(event) => {
        if (props.onPaste?.(event.clipboardData?.getData("text") ?? "")) event.preventDefault();
      }}
      onBlur={() => typed !== null && commit(typed)}
      onKeyDown={onKeyDown}
    />
  );
}
