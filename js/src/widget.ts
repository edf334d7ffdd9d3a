/**
 * anywidget's entry. The default export is a function, so that every model has a connection of its own; it listens as soon
 * as there is a model, and may be drawn never, once, or several times.
 */

import { effect } from "@preact/signals";
import { h, render } from "preact";
import { connect, type Connection } from "./connection";
import type { Model } from "./model";
import { Root } from "./shell/root";
import { hideSnapshots } from "./snapshot";
import { panelsFrom } from "./ui/lazy";

panelsFrom(() => import("./panels"));

/** The styles, put in by build.mjs. */
declare const __STYLES__: string;

interface InitializeContext {
  model: Model;
}

interface RenderContext {
  model: Model;
  el: HTMLElement;
}

export default function widget() {
  let connection: Connection | undefined;
  return {
    initialize({ model }: InitializeContext): () => void {
      const mine = connect(model);
      connection = mine;
      return () => mine.close();
    },

    render({ model, el }: RenderContext): () => void {
      const mine = (connection ??= connect(model));
      style(el);
      render(h(Root, { connection: mine }), el);
      const hide = mine.show();
      const endSnapshots = effect(() => {
        const { link } = mine.state;
        if (link.value !== "connecting") hideSnapshots(el, link.value !== "static");
      });
      // In a shadow root that was not there yet when we were drawn, the styles of the document do not reach us.
      const frame = requestAnimationFrame(() => style(el));
      return () => {
        cancelAnimationFrame(frame);
        endSnapshots();
        hide();
        render(null, el);
      };
    },
  };
}

let sheet: CSSStyleSheet | undefined;

/** Our styles, once in the document or the shadow root that holds the element. */
function style(el: HTMLElement): void {
  if (typeof __STYLES__ === "undefined") return;
  const root = el.getRootNode();
  const holder = root instanceof ShadowRoot ? root : document;
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(__STYLES__);
  }
  if (!holder.adoptedStyleSheets.includes(sheet)) holder.adoptedStyleSheets = [...holder.adoptedStyleSheets, sheet];
}
