/** Which of many rows are drawn. Pure. */

export interface Window {
  first: number;
  /** One past the last. */
  end: number;
}

/** Rows that are visible, and a few around them. */
export function windowOf(count: number, rowHeight: number, scrollTop: number, height: number, spare = 6): Window {
  const first = Math.max(0, Math.min(Math.floor(scrollTop / rowHeight) - spare, count - 1));
  const end = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + spare);
  return { first, end: Math.max(first, end) };
}

/** Where to scroll so that a row is seen whole; as it is, if it is. */
export function scrolledTo(row: number, rowHeight: number, scrollTop: number, height: number): number {
  const top = row * rowHeight;
  if (top < scrollTop) return top;
  if (top + rowHeight > scrollTop + height) return Math.max(0, top + rowHeight - height);
  return scrollTop;
}
