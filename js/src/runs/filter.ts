/**
 * The filter over runs: `lr < 0.01 and state = finished`, `name ~ heron or not tags ~ baseline`, `optimizer.name in (adam, sgd)`,
 * `val_loss is missing`. Words without an operator are looked for in what identifies a run. Pure.
 */

import { valueText } from "../format";
import type { Accessor, Cell } from "../runtable";
import { FilterError } from "./filtererror";

export type Predicate = (row: number) => boolean;

export interface Columns {
  names: readonly string[];
  column(name: string): Accessor;
  /** What words are looked for in, in lower case. */
  text(row: number): string;
}

type Token = { kind: "word" | "text" | "operator" | "("  | ")" | "," | "end"; text: string; at: number };

const OPERATORS = new Set(["=", "==", "!=", "<", "<=", ">", ">=", "~", "!~"]);
const DEEPEST = 200;
const KEYWORDS = new Set(["and", "or", "not"]);
const SEARCHED = ["number", "name", "id", "state", "tags", "error", "reason", "agent"];

/** Columns whose searched text is put together once for a row, however many words are looked for while one types. */
export function filterColumns(names: readonly string[], column: (name: string) => Accessor): Columns {
  const cells = SEARCHED.map(column);
  const texts: string[] = [];
  const text = (row: number) => (texts[row] ??= cells.map((cell) => searchedText(cell(row))).join("\n").toLowerCase());
  return { names, column, text };
}

function searchedText(cell: Cell): string {
  return typeof cell === "string" ? cell : valueText(cell);
}
const PATTERN = /\s*(?:(<=|>=|!=|!~|==|=|<|>|~|&&|\|\|)|([(),])|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s(),<>=!~"'&|]+|[&|!]))/y;

/** A predicate over rows; every run for an empty text. FilterError says what is wrong, and where. */
export function parseFilter(text: string, columns: Columns): Predicate {
  const tokens = tokenized(text);
  if (tokens.length === 1) return () => true;
  return new Parser(tokens, columns).parsed();
}

function tokenized(text: string): Token[] {
  const tokens: Token[] = [];
  PATTERN.lastIndex = 0;
  while (text.slice(PATTERN.lastIndex).trim() !== "") {
    const from = PATTERN.lastIndex;
    const found = PATTERN.exec(text);
    if (!found) {
      const at = from + (text.slice(from).length - text.slice(from).trimStart().length);
      throw new FilterError(`a quotation mark is missing after ${text.slice(at, at + 12)}`, at);
    }
    const [all, operator, bracket, double, single, word] = found;
    const at = from + (all.length - all.trimStart().length);
    if (operator === "&&" || operator === "||") tokens.push({ kind: "word", text: operator === "&&" ? "and" : "or", at });
    else if (operator) tokens.push({ kind: "operator", text: operator, at });
    else if (bracket) tokens.push({ kind: bracket as "(", text: bracket, at });
    else if (word !== undefined) tokens.push({ kind: "word", text: word, at });
    else tokens.push({ kind: "text", text: (double ?? single ?? "").replace(/\\(.)/g, "$1"), at });
  }
  tokens.push({ kind: "end", text: "", at: text.length });
  return tokens;
}

class Parser {
  #at = 0;
  #depth = 0;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly columns: Columns,
  ) {}

  parsed(): Predicate {
    const predicate = this.#either();
    const left = this.#peek();
    if (left.kind !== "end") throw new FilterError(`${left.text} was not expected here`, left.at);
    return predicate;
  }

  #either(): Predicate {
    const parts = [this.#both()];
    while (this.#word("or")) parts.push(this.#both());
    return parts.length === 1 ? (parts[0] as Predicate) : (row) => parts.some((part) => part(row));
  }

  /** Terms beside each other are joined by `and`, too. */
  #both(): Predicate {
    const parts = [this.#negated()];
    for (;;) {
      if (this.#word("and")) parts.push(this.#negated());
      else if (this.#begins()) parts.push(this.#negated());
      else return parts.length === 1 ? (parts[0] as Predicate) : (row) => parts.every((part) => part(row));
    }
  }

  #begins(): boolean {
    const { kind, text } = this.#peek();
    return kind === "(" || kind === "text" || (kind === "word" && text.toLowerCase() !== "or");
  }

  #negated(): Predicate {
    if (this.#depth === DEEPEST) throw new FilterError("too many ( and not within each other", this.#peek().at);
    this.#depth += 1;
    const not = this.#word("not");
    const inner = not ? this.#negated() : this.#term();
    this.#depth -= 1;
    return not ? (row) => !inner(row) : inner;
  }

  #term(): Predicate {
    const token = this.#next();
    if (token.kind === "(") {
      const inner = this.#either();
      const close = this.#next();
      if (close.kind !== ")") throw new FilterError("a ) is missing", close.at);
      return inner;
    }
    if (token.kind !== "word" && token.kind !== "text") {
      throw new FilterError(token.kind === "end" ? "something is missing at the end" : `${token.text} was not expected here`, token.at);
    }
    if (token.kind === "word" && KEYWORDS.has(token.text.toLowerCase())) {
      throw new FilterError(`something is missing before ${token.text}`, token.at);
    }
    if (this.#peek().kind === "operator") return this.#compared(token, this.#next());
    if (this.#peek().kind === "word" && this.#isColumn(token) && this.#word("in")) return this.#among(token);
    if (this.#peek().kind === "word" && this.#isColumn(token) && this.#word("is")) return this.#missing(token);
    return this.#searched(token.text);
  }

  #compared(name: Token, operator: Token): Predicate {
    const value = this.#next();
    if (value.kind !== "word" && value.kind !== "text") throw new FilterError(`a value is missing after ${operator.text}`, value.at);
    if (!OPERATORS.has(operator.text)) throw new FilterError(`${operator.text} is no comparison`, operator.at);
    const cell = this.#column(name);
    return (row) => compare(cell(row), operator.text, value.text);
  }

  #among(name: Token): Predicate {
    const open = this.#next();
    if (open.kind !== "(") throw new FilterError("in needs a list: (a, b)", open.at);
    const values: string[] = [];
    for (;;) {
      const value = this.#next();
      if (value.kind === ")") break;
      if (value.kind === ",") continue;
      if (value.kind !== "word" && value.kind !== "text") throw new FilterError("a ) is missing", value.at);
      values.push(value.text);
    }
    const cell = this.#column(name);
    return (row) => values.some((value) => compare(cell(row), "=", value));
  }

  #missing(name: Token): Predicate {
    const not = this.#word("not");
    const word = this.#next();
    if (!/^(missing|none|null|empty)$/i.test(word.text)) throw new FilterError("after is comes missing, or not missing", word.at);
    const cell = this.#column(name);
    return (row) => (cell(row) === undefined || cell(row) === null) !== not;
  }

  #searched(text: string): Predicate {
    const wanted = text.toLowerCase();
    return (row) => this.columns.text(row).includes(wanted);
  }

  #isColumn(token: Token): boolean {
    return resolveColumn(token.text, this.columns.names) !== null;
  }

  #column(token: Token): Accessor {
    const name = resolveColumn(token.text, this.columns.names);
    if (name === null) throw new FilterError(`there is no column ${token.text}`, token.at);
    return this.columns.column(name);
  }

  #word(word: string): boolean {
    const { kind, text } = this.#peek();
    if (kind !== "word" || text.toLowerCase() !== word) return false;
    this.#at += 1;
    return true;
  }

  #peek(): Token {
    return this.tokens[this.#at] as Token;
  }

  #next(): Token {
    const token = this.#peek();
    if (token.kind !== "end") this.#at += 1;
    return token;
  }
}

/** The column that a word means: its whole name, a parameter's, a metric's, or the only one that ends so; null: none. */
export function resolveColumn(word: string, names: readonly string[]): string | null {
  for (const candidate of [word, `config.${word}`, `summary.${word}`]) if (names.includes(candidate)) return candidate;
  const folded = word.toLowerCase();
  const ending = names.filter((name) => name.toLowerCase() === folded || name.toLowerCase().endsWith(`.${folded}`));
  return ending.length === 1 ? (ending[0] as string) : null;
}

function compare(cell: Cell, operator: string, wanted: string): boolean {
  if (operator === "~" || operator === "!~") {
    return (cell !== undefined && valueText(cell).toLowerCase().includes(wanted.toLowerCase())) === (operator === "~");
  }
  if (operator === "!=") return cell !== undefined && !equal(cell, wanted);
  if (cell === undefined) return false;
  if (operator === "=" || operator === "==") return equal(cell, wanted);
  const number = Number(wanted);
  const [a, b] = typeof cell === "number" && !Number.isNaN(number) ? [cell, number] : [valueText(cell), wanted];
  if (typeof cell === "number" && typeof a !== "number") return false;
  if (operator === "<") return a < b;
  if (operator === "<=") return a <= b;
  if (operator === ">") return a > b;
  return a >= b;
}

function equal(cell: Cell, wanted: string): boolean {
  if (typeof cell === "number") {
    const word = wanted.toLowerCase().replace(/^\+/, "");
    if (word === "nan") return Number.isNaN(cell);
    if (word === "inf" || word === "-inf") return cell === (word === "inf" ? Infinity : -Infinity);
    return wanted.trim() !== "" && cell === Number(wanted);
  }
  if (Array.isArray(cell)) return cell.some((item) => equal(item, wanted));
  return valueText(cell).toLowerCase() === wanted.toLowerCase();
}
