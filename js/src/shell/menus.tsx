/** The menus of the header: ways to stop; files, the line that joins, the theme. */

import type { VNode } from "preact";
import type { Connection } from "../connection";
import type { Commands, SweepState, Traits } from "../protocol";
import { STRINGS } from "../strings";
import { copyText } from "../ui/copy";
import { reasonAgainst } from "../ui/order";
import { Menu, type MenuItem } from "../ui/popover";

type Kind = Commands["export"]["kind"];

export function StopMenu({ connection, status, close }: { connection: Connection; status: "" | SweepState; close: () => void }): VNode {
  const words = STRINGS.header;
  const over = status === "FINISHED" || status === "CANCELED";
  const order = <C extends keyof Commands>(command: C, args: Commands[C]) => connection.command(command, args);
  const running = connection.state.progress.value.counts.running ?? 0;
  const items: MenuItem[] = [
    {
      label: words.stopNow,
      hint: words.stopNowHint,
      icon: "stop",
      danger: true,
      confirm: words.stopNowConfirm(running),
      disabled: (over ? words.over : "") || reasonAgainst(connection.state, "stop"),
      run: () => order("stop", { now: true }),
    },
    {
      label: words.cancel,
      hint: words.cancelHint,
      icon: "close",
      danger: true,
      confirm: words.cancelConfirm,
      disabled: (status === "CANCELED" ? words.over : "") || reasonAgainst(connection.state, "cancel"),
      run: () => order("cancel", {}),
    },
  ];
  return <Menu items={items} close={close} />;
}

export function HeaderMenu({ connection, close }: { connection: Connection; close: () => void }): VNode {
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
  const items: (MenuItem | null)[] = [
    file("report"),
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
  return <Menu items={items} close={close} />;
}

export async function exportFile(connection: Connection, kind: Kind): Promise<void> {
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
