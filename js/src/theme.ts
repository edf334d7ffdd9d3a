/**
 * Which page we are in, and whether it is dark. The host decides which family of CSS variables the styles use: VS Code, for
 * one, carries JupyterLab's light variables whatever its theme is, so asking for `--jp-*` is not enough.
 */

import { signal, type ReadonlySignal } from "@preact/signals";
import type { Traits } from "./protocol";

export type Host = "jupyter" | "vscode" | "colab" | "page";

export interface Look {
  /** Whose variables to use; "page": nobody's, ours. */
  readonly host: Host;
  readonly dark: boolean;
}

/** What the page looks like, and what the user chose. Against the page's own theme, its variables are of no use. */
export function chosenLook(page: Look, theme: Traits["theme"]): Look {
  const dark = theme === "auto" ? page.dark : theme === "dark";
  return dark === page.dark ? page : { host: "page", dark };
}

export function detectedLook(view: Window = window): Look {
  const host = detectedHost(view);
  return { host, dark: isDark(host, view) };
}

let shared: { look: ReadonlySignal<Look> } | undefined;

/** The page's look, followed for as long as the page lives. */
export function pageLook(): ReadonlySignal<Look> {
  if (shared) return shared.look;
  const look = signal(detectedLook());
  const refresh = () => {
    const found = detectedLook();
    if (found.host !== look.peek().host || found.dark !== look.peek().dark) look.value = found;
  };
  const observer = new MutationObserver(refresh);
  for (const view of frames(window)) {
    for (const element of [view.document.documentElement, view.document.body]) {
      if (element) observer.observe(element, { attributes: true });
    }
  }
  window.matchMedia?.("(prefers-color-scheme: dark)")?.addEventListener?.("change", refresh);
  shared = { look };
  return look;
}

function detectedHost(view: Window): Host {
  for (const frame of frames(view)) {
    const { body, documentElement } = frame.document;
    if (body?.dataset["vscodeThemeKind"]) return "vscode";
    if (body?.dataset["jpThemeLight"]) return "jupyter";
    if (/(^|\.)colab\./.test(frame.location.hostname) || variable(documentElement, "--colab-primary-surface-color")) return "colab";
  }
  return "page";
}

function isDark(host: Host, view: Window): boolean {
  for (const frame of frames(view)) {
    const { body, documentElement: html } = frame.document;
    if (host === "vscode" && body?.dataset["vscodeThemeKind"]) {
      const kind = body.dataset["vscodeThemeKind"];
      return kind !== "vscode-high-contrast-light" && /dark|high-contrast/.test(kind);
    }
    if (host === "jupyter" && body?.dataset["jpThemeLight"]) return body.dataset["jpThemeLight"] === "false";
    if (host === "colab") {
      if (html.getAttribute("theme")) return html.getAttribute("theme") === "dark";
      const surface = luminance(variable(html, "--colab-primary-surface-color"));
      if (surface !== null) return surface < 0.4;
    }
    const named = html.dataset["theme"] ?? html.dataset["mode"] ?? body?.dataset["theme"];
    if (named === "dark" || named === "light") return named === "dark";
    const classes = `${html.className} ${body?.className ?? ""}`;
    if (/(^|\s)(dark|quarto-dark|theme-dark)(\s|$)/.test(classes)) return true;
    if (/(^|\s)(light|quarto-light|theme-light)(\s|$)/.test(classes)) return false;
  }
  const background = view.document.body ? luminance(view.getComputedStyle(view.document.body).backgroundColor) : null;
  return background === null ? (view.matchMedia?.("(prefers-color-scheme: dark)")?.matches ?? false) : background < 0.4;
}

/** This window and those around it that may be looked into. */
function frames(view: Window): Window[] {
  const found = [view];
  let inner = view;
  while (inner.parent && inner.parent !== inner && found.length < 8) {
    try {
      if (!inner.parent.document) break;
    } catch {
      break; // another origin
    }
    inner = inner.parent;
    found.push(inner);
  }
  return found;
}

function variable(element: Element | null, name: string): string {
  return element ? getComputedStyle(element).getPropertyValue(name).trim() : "";
}

/** How bright a CSS colour is, 0 to 1; null if it is transparent or not a colour that we read. */
export function luminance(color: string): number | null {
  const rgb = rgbOf(color);
  if (!rgb) return null;
  const [r, g, b] = rgb.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function rgbOf(color: string): [number, number, number] | null {
  const hex = /^#([0-9a-f]{3,8})$/i.exec(color.trim())?.[1];
  if (hex) {
    const long = hex.length < 6 ? [...hex].map((digit) => digit + digit).join("") : hex;
    return [0, 2, 4].map((at) => parseInt(long.slice(at, at + 2), 16)) as [number, number, number];
  }
  const parts = /^rgba?\(([^)]+)\)$/.exec(color.trim())?.[1]?.split(/[\s,/]+/).map(Number);
  if (!parts || parts.length < 3 || parts[3] === 0) return null;
  return parts.slice(0, 3) as [number, number, number];
}

/** A token as a colour that a canvas and plotly understand: no variables, no mixing. */
export function resolvedColor(root: Element, token: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  root.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}
