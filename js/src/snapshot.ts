/**
 * The picture of the last state that stands in the saved file: of no use, and in the way, while the widget lives. It is an
 * output of the same cell; where cells cannot be told apart, all snapshots of the page are meant.
 */

const AREAS = ".jp-OutputArea, .output_area_parent, .output, .cell-output, .output_container";
const CHILDREN = ".jp-OutputArea-child, .output_area, .output-item";

export function hideSnapshots(element: Element, hidden: boolean): void {
  const area = element.closest(AREAS);
  for (const snapshot of (area ?? document).querySelectorAll<HTMLElement>(".sw-snapshot")) {
    const around = snapshot.closest<HTMLElement>(CHILDREN);
    const target = around && !around.contains(element) ? around : snapshot;
    target.style.display = hidden ? "none" : "";
  }
}
