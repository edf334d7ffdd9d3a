/** Icons, drawn on a grid of 16. They are decoration: the name is on what they stand in. */

import type { VNode } from "preact";

const PATHS = {
  play: "M5 3.5v9l7.5-4.5z",
  pause: "M4.5 3.5h2.5v9H4.5zM9 3.5h2.5v9H9z",
  stop: "M4 4h8v8H4z",
  plus: "M7.25 3h1.5v4.25H13v1.5H8.75V13h-1.5V8.75H3v-1.5h4.25z",
  minus: "M3 7.25h10v1.5H3z",
  more: "M3 8a1.2 1.2 0 1 1 2.4 0A1.2 1.2 0 0 1 3 8zm3.8 0a1.2 1.2 0 1 1 2.4 0 1.2 1.2 0 0 1-2.4 0zm3.8 0A1.2 1.2 0 1 1 13 8a1.2 1.2 0 0 1-2.4 0z",
  down: "M4.2 6.2 8 10l3.8-3.8.9.9L8 11.8 3.3 7.1z",
  left: "M9.8 4.2 6 8l3.8 3.8-.9.9L4.2 8l4.7-4.7z",
  close: "m4.3 3.4 3.7 3.7 3.7-3.7.9.9L8.9 8l3.7 3.7-.9.9L8 8.9l-3.7 3.7-.9-.9L7.1 8 3.4 4.3z",
  check: "m6.4 11.6-3.3-3.3.9-.9 2.4 2.4 5.6-5.6.9.9z",
  star: "m8 2 1.8 3.8 4.2.6-3 2.9.7 4.1L8 11.4l-3.7 2 .7-4.1-3-2.9 4.2-.6z",
  pin: "M5 2h6v1.2l-1 .6v3.4l2 1.6v1.2H8.7V14h-1.4v-4H4V8.8l2-1.6V3.8l-1-.6z",
  copy: "M5 2h7v9h-1.3V3.3H5zM3 5h7v9H3zm1.3 1.3v6.4h4.4V6.3z",
  alert: "M8 2 1.5 13.5h13zm-.7 4h1.4v4H7.3zm0 5h1.4v1.4H7.3z",
  info: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm-.7 3h1.4v1.4H7.3zm0 2.4h1.4v4H7.3z",
  link: "M3 8a3 3 0 0 1 3-3h1.5v1.4H6a1.6 1.6 0 0 0 0 3.2h1.5V11H6a3 3 0 0 1-3-3zm5.5-3H10a3 3 0 0 1 0 6H8.5V9.6H10a1.6 1.6 0 0 0 0-3.2H8.5z",
  up: "M8 4.2 12.7 9l-.9.9L8 6.1 4.2 9.9 3.3 9z",
  again: "M8 3a5 5 0 0 1 4.2 2.3V3h1.3v4.6H8.9V6.3h2.4A3.7 3.7 0 1 0 11.6 9h1.3A5 5 0 1 1 8 3z",
  bolt: "M9.2 1.8 3.6 9h3.6l-.6 5.2L12.4 7H8.6z",
  search: "M7 2.5a4.5 4.5 0 0 1 3.6 7.2l3 3-.9.9-3-3A4.5 4.5 0 1 1 7 2.5zm0 1.4a3.1 3.1 0 1 0 0 6.2 3.1 3.1 0 0 0 0-6.2z",
  columns: "M2.5 3h11v10h-11zm1.3 1.3v7.4h2V4.3zm3.3 0v7.4h1.8V4.3zm3.1 0v7.4h2V4.3z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): VNode {
  return (
    <svg class="sw-icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill="currentColor" fill-rule="evenodd" />
    </svg>
  );
}
