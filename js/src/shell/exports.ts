/** What the menu of the header offers: files, the line that joins, the theme. */

import type { Connection } from "../connection";
import type { Commands, Traits } from "../protocol";
import { STRINGS } from "../strings";
import { copyText } from "../ui/copy";
import { reasonAgainst } from "../ui/order";
import type { MenuItem } from "../ui/popover";

type Kind = Commands["export"]["kind"];

export function exportItems(connection: Connection): (MenuItem | null)[] {
  const { state } = connection;
  const words = STRINGS.menu;
  const sweep = state.sweep.value;
  const file = (kind: Kind): MenuItem => ({
    label: words[kind],
    disabled: (sweep ? "" : STRINGS.header.noSweep) || reasonAgainst(state, "export"),
    testid: `sw-export-${kind}`,
    run: () => void exportFile(connection, kind),
  });
  const theme = (name: Traits["theme"]): MenuItem => ({
    label: words[name],
    checked: state.theme.value === name,
    run: () => (state.theme.value = name),
  });
  return [
    file("csv"),
    file("json"),
    file("yaml"),
    file("python"),
    null,
    { label: words.join, icon: "link", disabled: sweep ? "" : STRINGS.header.noSweep, run: () => void copyText(sweep?.join ?? "") },
    null,
    theme("auto"),
    theme("light"),
    theme("dark"),
  ];
}

async function exportFile(connection: Connection, kind: Kind): Promise<void> {
  const answer = await connection.command("export", { kind }).result.catch(() => null);
  if (answer) download(answer.value.filename, answer.value.mime, answer.buffer);
}

export function download(filename: string, mime: string, content: ArrayBuffer): void {
  const url = URL.createObjectURL(new Blob([content], { type: mime }));
  const link = document.createElement("a");
  link.href = url;
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
