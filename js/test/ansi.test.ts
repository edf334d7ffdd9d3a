import { describe, expect, test } from "vitest";
import { ansiPieces, ansiText } from "../src/ansi";

describe("terminal output", () => {
  test("colours and weights are kept, and end where they end", () => {
    expect(ansiPieces("a\u001b[1;31mb\u001b[0mc")).toEqual([
      { text: "a", classes: "", color: "" },
      { text: "b", classes: "sw-ansi-bold sw-ansi-1", color: "" },
      { text: "c", classes: "", color: "" },
    ]);
  });

  test("the 256 colours and true colours are CSS; 38's parameters are no codes of their own", () => {
    expect(ansiPieces("\u001b[38;5;208mx")[0]).toMatchObject({ color: "#ff8700" });
    expect(ansiPieces("\u001b[38;2;1;2;3mx")[0]).toMatchObject({ color: "#010203" });
    expect(ansiPieces("\u001b[38;5;1mx")[0]).toMatchObject({ classes: "sw-ansi-1", color: "" });
    expect(ansiPieces("\u001b[48;5;1mx")[0]).toMatchObject({ classes: "", color: "" });
    expect(ansiPieces("\u001b[38;5;999mx")[0]).toMatchObject({ classes: "", color: "" });
  });

  test("all other escapes are dropped: cursors, titles, links, lone ones", () => {
    expect(ansiText("\u001b[2J\u001b[10;4Hhi\u001b]0;title\u0007!\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\\u001b(B\u001b7\u0007\u001b")).toBe("hi!link");
  });

  test("a carriage return begins the line again", () => {
    expect(ansiText(" 1%\r50%\r100%\nnext\r\nlast")).toBe("100%\nnext\nlast");
  });

  test("markup stays text", () => {
    expect(ansiText("<img src=x onerror=alert(1)>")).toBe("<img src=x onerror=alert(1)>");
  });

  test("no text is lost or made up, whatever the codes are", () => {
    const text = Array.from({ length: 400 }, (_, i) => `\u001b[${i % 120};${(i * 7) % 50}m${i}`).join("");
    expect(ansiText(text)).toBe(Array.from({ length: 400 }, (_, i) => String(i)).join(""));
  });
});
