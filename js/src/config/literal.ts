/**
 * Reads what people paste: JSON, or a Python dict (`True`, `None`, 'single quotes', tuples, trailing commas, comments, and
 * whatever stands before and after the outermost braces, such as `sweep_config = {…}` or `wandb.sweep({…})`).
 */

import { Dict, Numeral, type Entry, type Exact } from "./exact";
import { isNumber, numberOf } from "../numbers";

/** Why a text cannot be read, and in which of its lines. */
export class LiteralError extends Error {
  constructor(
    message: string,
    readonly line: number,
  ) {
    super(message);
    this.name = "LiteralError";
  }
}

const CONSTANTS: { readonly [word: string]: null | boolean } = {
  None: null, null: null, True: true, true: true, False: false, false: false,
};
const BARE = /[-+\w.]+/y;
const ESCAPES: { readonly [letter: string]: string } = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", "\n": "" };

/** A dict in a text; LiteralError if there is none. */
export function readDict(text: string): Dict {
  const at = text.indexOf("{");
  if (at < 0) throw new LiteralError("there is no { in it", 1);
  const reader = new Reader(text, at);
  const value = reader.value();
  if (!(value instanceof Dict)) throw new LiteralError("it is no dict", 1);
  reader.end();
  return value;
}

/** One value that is all of the text; LiteralError if it is none. */
export function readLiteral(text: string): Exact {
  const reader = new Reader(text, 0);
  const value = reader.value();
  reader.end();
  return value;
}

class Reader {
  #at: number;

  constructor(
    private readonly text: string,
    at: number,
  ) {
    this.#at = at;
  }

  value(): Exact {
    this.#space();
    const character = this.text[this.#at];
    if (character === "{") return this.#dict();
    if (character === "[") return this.#list("]");
    if (character === "(") return this.#list(")");
    if (character === '"' || character === "'") return this.#strings();
    return this.#word();
  }

  /** Only closing brackets, semicolons and comments may follow. */
  end(): void {
    for (;;) {
      this.#space();
      const character = this.text[this.#at];
      if (character === undefined) return;
      if (!")];,".includes(character)) throw this.#wrong("something stands after it");
      this.#at += 1;
    }
  }

  #dict(): Dict {
    const entries: Entry[] = [];
    this.#at += 1;
    while (!this.#closed("}")) {
      const key = this.#key();
      if (entries.some(([known]) => known === key)) throw this.#wrong(`${key} is given twice`);
      this.#space();
      if (this.text[this.#at] !== ":") throw this.#wrong(`a : is missing after ${key}`);
      this.#at += 1;
      entries.push([key, this.value()]);
      this.#comma("}");
    }
    return new Dict(entries);
  }

  #list(close: string): Exact {
    const items: Exact[] = [];
    this.#at += 1;
    while (!this.#closed(close)) {
      items.push(this.value());
      const comma = this.#comma(close);
      // In Python (1) is 1, and (1,) a tuple.
      if (close === ")" && !comma && items.length === 1) {
        this.#at += 1;
        return items[0] as Exact;
      }
    }
    return items;
  }

  #key(): string {
    const key = this.value();
    if (typeof key === "string") return key;
    if (key instanceof Numeral) return key.text;
    throw this.#wrong("a key is not a string");
  }

  /** Python joins strings that stand side by side. */
  #strings(): string {
    let text = "";
    for (;;) {
      text += this.#string();
      this.#space();
      const next = this.text[this.#at];
      if (next !== '"' && next !== "'") return text;
    }
  }

  #string(): string {
    const quote = this.text[this.#at] as string;
    let text = "";
    for (this.#at += 1; ; this.#at += 1) {
      const character = this.text[this.#at];
      if (character === undefined || character === "\n") throw this.#wrong("a string does not end");
      if (character === quote) break;
      text += character === "\\" ? this.#escape() : character;
    }
    this.#at += 1;
    return text;
  }

  #escape(): string {
    this.#at += 1;
    const letter = this.text[this.#at] ?? "";
    const width = { x: 2, u: 4, U: 8 }[letter];
    if (width === undefined) return ESCAPES[letter] ?? (`\\'"/`.includes(letter) ? letter : `\\${letter}`);
    const code = this.text.slice(this.#at + 1, this.#at + 1 + width);
    if (!/^[0-9a-fA-F]+$/.test(code) || code.length < width || Number.parseInt(code, 16) > 0x10ffff) {
      throw this.#wrong("an escape is cut short");
    }
    this.#at += width;
    const point = Number.parseInt(code, 16);
    // JSON writes characters beyond the first plane as two escapes; each half joins the other in a JavaScript string.
    return width === 4 ? String.fromCharCode(point) : String.fromCodePoint(point);
  }

  #word(): Exact {
    BARE.lastIndex = this.#at;
    const word = BARE.exec(this.text)?.[0];
    if (word === undefined) throw this.#wrong(this.#at < this.text.length ? "a value is missing" : "it ends too early");
    if (Object.hasOwn(CONSTANTS, word)) {
      this.#at += word.length;
      return CONSTANTS[word] as null | boolean;
    }
    if (!isNumber(word) && Number.isNaN(numberOf(word)) && word !== "NaN" && word !== "nan") {
      throw this.#wrong(`${word} is a name: put texts in quotes`);
    }
    this.#at += word.length;
    return new Numeral(word);
  }

  #closed(close: string): boolean {
    this.#space();
    if (this.text[this.#at] !== close) return false;
    this.#at += 1;
    return true;
  }

  #comma(close: string): boolean {
    this.#space();
    const character = this.text[this.#at];
    if (character === ",") {
      this.#at += 1;
      return true;
    }
    if (character !== close) throw this.#wrong(character === undefined ? "it ends too early" : "a comma is missing");
    return false;
  }

  #space(): void {
    for (;;) {
      while (/\s/.test(this.text[this.#at] ?? "")) this.#at += 1;
      if (this.text[this.#at] !== "#") return;
      while (this.#at < this.text.length && this.text[this.#at] !== "\n") this.#at += 1;
    }
  }

  #wrong(message: string): LiteralError {
    return new LiteralError(message, this.text.slice(0, this.#at).split("\n").length);
  }
}
