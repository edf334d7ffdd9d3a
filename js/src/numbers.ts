/** Texts as numbers, as a form takes them and Python writes them. */

export const NUMBER = /^[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
export const WORDS: { readonly [word: string]: number } = { NaN: NaN, Infinity, "-Infinity": -Infinity, nan: NaN, inf: Infinity, "-inf": -Infinity };

/** What a text says as a number; NaN if it is none. */
export function numberOf(text: string): number {
  if (Object.hasOwn(WORDS, text)) return WORDS[text] as number;
  return NUMBER.test(text) ? Number(text.replaceAll("_", "")) : NaN;
}

/** Whether a text is a finite number, as a field of a form takes it. */
export function isNumber(text: string): boolean {
  return NUMBER.test(text) && Number.isFinite(Number(text.replaceAll("_", "")));
}

/** Whether Python would read it as an int. */
export function isInteger(text: string): boolean {
  return /^[-+]?\d[\d_]*$/.test(text);
}
