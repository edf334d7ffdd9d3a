/** The notebook around us, where the front end lets us at it: JupyterLab's and Notebook 7's widget manager knows its document. */

import type { Model } from "./model";
import { property } from "./property";

export interface Notebook {
  /** A new cell below the one whose output holds the element; false if that cannot be found. */
  insertBelow(inside: Element, source: string): boolean;
}

interface SharedNotebook {
  insertCell(index: number, cell: { cell_type: "code"; source: string }): unknown;
}

export function notebookOf(model: Model): Notebook | null {
  const shared = ["context", "model", "sharedModel"].reduce(property, model.widget_manager);
  if (!isShared(shared)) return null;
  return {
    insertBelow(inside, source) {
      const cell = inside.closest<HTMLElement>("[data-windowed-list-index]");
      const index = Number(cell?.dataset["windowedListIndex"] ?? NaN);
      if (!Number.isInteger(index)) return false;
      shared.insertCell(index + 1, { cell_type: "code", source });
      return true;
    },
  };
}

function isShared(value: unknown): value is SharedNotebook {
  return typeof property(value, "insertCell") === "function";
}
