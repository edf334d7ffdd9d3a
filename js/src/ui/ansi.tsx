/** Terminal output with its colours, as text nodes. */

import type { VNode } from "preact";
import { ansiPieces } from "../ansi";

export function Ansi({ text }: { text: string }): VNode {
  return (
    <>
      {ansiPieces(text).map((piece, i) => (
        <span key={i} class={piece.classes || undefined} style={piece.color ? { color: piece.color } : undefined}>
          {piece.text}
        </span>
      ))}
    </>
  );
}
