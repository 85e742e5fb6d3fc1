// Waiting for the end: Ctrl-C and SIGTERM both ask for a clean one.

/** Resolves with the first SIGINT or SIGTERM. A second Ctrl-C does not wait any longer. */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        if (asked && signal === "SIGINT") process.exit(130);
        asked = true;
        resolve(signal);
      });
    }
  });
}
