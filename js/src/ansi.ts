/** Terminal output as styled pieces of text: colours and weights are kept, all other escapes are dropped. Pure. */

export interface Piece {
  readonly text: string;
  /** Class names, "" for plain text. */
  readonly classes: string;
  /** A colour of the 256 or of true colour, as CSS; "" where a class says it. */
  readonly color: string;
}

interface Style {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  /** 0–15 by class, or CSS; "" is the default. */
  color: string;
}

const PLAIN: Style = { bold: false, dim: false, italic: false, underline: false, color: "" };
// CSI … letter; OSC … BEL or ST; two-character escapes; control characters that mean nothing in a log.
const ESCAPE = /\u001b\[([0-9;:?<=>]*)([ -/]*[@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\|$)|\u001b[PX^_][^\u001b]*(?:\u001b\\|$)|\u001b[ -/]*[0-~]?|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;

export function ansiPieces(source: string): Piece[] {
  const text = overwritten(source);
  const pieces: Piece[] = [];
  let style = PLAIN;
  let at = 0;
  const push = (part: string) => {
    if (part === "") return;
    const classes = classesOf(style);
    const color = style.color.startsWith("#") ? style.color : "";
    const last = pieces.at(-1);
    if (last && last.classes === classes && last.color === color) pieces[pieces.length - 1] = { ...last, text: last.text + part };
    else pieces.push({ text: part, classes, color });
  };
  for (const found of text.matchAll(ESCAPE)) {
    push(text.slice(at, found.index));
    at = found.index + found[0].length;
    if (found[2] === "m") style = styled(style, found[1] ?? "");
  }
  push(text.slice(at));
  return pieces;
}

/** Without escapes: for the clipboard. */
export function ansiText(source: string): string {
  return ansiPieces(source)
    .map((piece) => piece.text)
    .join("");
}

/** A carriage return begins the line again: progress bars show their last state. */
function overwritten(text: string): string {
  if (!text.includes("\r")) return text;
  return text
    .replaceAll("\r\n", "\n")
    .split("\n")
    .map((line) => {
      const parts = line.split("\r").filter((part) => part !== "");
      return parts.at(-1) ?? "";
    })
    .join("\n");
}

function styled(style: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).map((code) => Number(code) || 0);
  let next = { ...style };
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] as number;
    if (code === 0) next = { ...PLAIN };
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 22) next.bold = next.dim = false;
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code >= 30 && code <= 37) next.color = String(code - 30);
    else if (code >= 90 && code <= 97) next.color = String(code - 90 + 8);
    else if (code === 39) next.color = "";
    else if (code === 38 || code === 48) {
      const [color, used] = extended(codes, i + 1);
      if (code === 38 && color !== null) next.color = color;
      i += used;
    }
  }
  return next;
}

/** `5;n` or `2;r;g;b` after 38: a colour, and how many codes it took. */
function extended(codes: readonly number[], at: number): [string | null, number] {
  if (codes[at] === 5) return [indexed(codes[at + 1] ?? 0), 2];
  if (codes[at] !== 2) return [null, 0];
  const rgb = [codes[at + 1] ?? 0, codes[at + 2] ?? 0, codes[at + 3] ?? 0];
  return [hex(rgb), 4];
}

function indexed(index: number): string | null {
  if (index < 0 || index > 255) return null;
  if (index < 16) return String(index);
  if (index >= 232) return hex(Array.from({ length: 3 }, () => 8 + 10 * (index - 232)));
  const cube = index - 16;
  return hex([Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((part) => (part ? 55 + 40 * part : 0)));
}

function hex(rgb: readonly number[]): string {
  return `#${rgb.map((part) => Math.max(0, Math.min(255, part)).toString(16).padStart(2, "0")).join("")}`;
}

function classesOf(style: Style): string {
  const classes = [];
  if (style.bold) classes.push("sw-ansi-bold");
  if (style.dim) classes.push("sw-ansi-dim");
  if (style.italic) classes.push("sw-ansi-italic");
  if (style.underline) classes.push("sw-ansi-underline");
  if (style.color !== "" && !style.color.startsWith("#")) classes.push(`sw-ansi-${style.color}`);
  return classes.join(" ");
}
