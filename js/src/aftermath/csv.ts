/** The runs that the page knows, as a file: what is left where no kernel writes one. Pure. */

import type { RunTable } from "../runtable";

export function csvOf(runs: RunTable): string {
  const names = runs.names.value.filter((name) => runs.size > 0 && name !== "stopping");
  const columns = names.map((name) => runs.column(name));
  const rows = Array.from({ length: runs.size }, (_, row) => columns.map((column) => cellText(column(row))));
  return [names, ...rows].map((cells) => cells.map(quoted).join(",")).join("\r\n");
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
