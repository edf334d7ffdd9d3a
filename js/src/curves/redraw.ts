/**
 * When to draw: never while nobody sees it, at once when the user did something, and otherwise so rarely that drawing takes at
 * most a sixth of the page's time.
 */

const LEAST_MS = 500;
const TIMES = 5;

export class Redraw {
  #visible = false;
  #wanted = false;
  #frame = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #earliest = 0;

  constructor(
    private readonly draw: () => void,
    private readonly least = LEAST_MS,
  ) {}

  /** Something changed. `now`: the user did it, and waits. */
  request(now = false): void {
    this.#wanted = true;
    if (!this.#visible || this.#frame) return;
    const wait = now ? 0 : this.#earliest - performance.now();
    if (wait <= 0) this.#soon();
    else this.#timer ??= setTimeout(() => this.#soon(), wait);
  }

  set visible(visible: boolean) {
    if (visible === this.#visible) return;
    this.#visible = visible;
    if (visible && this.#wanted) this.request(true);
  }

  stop(): void {
    this.#visible = false;
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
  }

  #soon(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (!this.#visible || !this.#wanted) return;
      this.#wanted = false;
      const began = performance.now();
      this.draw();
      const ended = performance.now();
      this.#earliest = ended + Math.max(this.least - (ended - began), TIMES * (ended - began));
    });
  }
}

/** Tells whether an element can be seen: on the screen, in a page that is shown. Returns what ends it. */
export function watchVisible(element: Element, tell: (visible: boolean) => void): () => void {
  let inView = true;
  const say = () => tell(inView && !document.hidden);
  const observer = new IntersectionObserver((entries) => {
    inView = entries.at(-1)?.isIntersecting ?? inView;
    say();
  });
  observer.observe(element);
  document.addEventListener("visibilitychange", say);
  say();
  return () => {
    observer.disconnect();
    document.removeEventListener("visibilitychange", say);
  };
}
