/** Panels that are loaded when they are first opened. */

export { Config } from "./config";
export { Compare } from "./drawer/compare";
export { Drawer } from "./drawer/drawer";
export { Enqueue } from "./enqueue";
export { Figures } from "./figures";
export { Parallel } from "./parallel";
export { FailureLog } from "./shell/log";
export { Queue } from "./shell/queue";
