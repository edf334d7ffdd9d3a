/** The words of the loader, which is too small to carry all the others. */

export const LOADING = {
  slow: "Waiting for the kernel to send the dashboard…",
  nobody: "Not connected to a kernel. Run the cell again to attach.",
  failed: "The dashboard could not be loaded:",
} as const;
