/** A property of something that is not ours, and may be anything; undefined where there is none. */
export function property(object: unknown, name: string): unknown {
  try {
    return typeof object === "object" && object !== null ? (object as { [key: string]: unknown })[name] : undefined;
  } catch {
    return undefined;
  }
}
