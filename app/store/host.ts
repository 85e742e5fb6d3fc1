// What a machine does, from the files in which Linux tells it. Text in, figures out: pure, because the text
// of the database's host comes through the database (database-watch.ts), and our own from here.
import { readFileSync } from "node:fs";

/** Clock ticks since boot, over all cores. */
export interface CpuTicks {
  total: number;
  idle: number;
  ioWait: number;
}

/** Shares of one span, 0 to 1. */
export interface CpuShare {
  busy: number;
  ioWait: number;
}

/** The first line of /proc/stat (proc_stat(5)): user nice system idle iowait irq softirq steal …; null when it is none. */
export function readCpuTicks(stat: string): CpuTicks | null {
  const line = /^cpu +([\d ]+)$/m.exec(stat);
  if (!line) return null;
  // guest and guest_nice are counted in user and nice already.
  const ticks = line[1]!.trim().split(" ").map(Number).slice(0, 8);
  const [, , , idle = 0, ioWait = 0] = ticks;
  return { total: ticks.reduce((sum, part) => sum + part, 0), idle, ioWait };
}

/** Null when no time has passed. */
export function cpuShare(before: CpuTicks, after: CpuTicks): CpuShare | null {
  const total = after.total - before.total;
  if (total <= 0) return null;
  // iowait of a core can run backwards (proc_stat(5)).
  const share = (from: number, to: number) => Math.min(1, Math.max(0, (to - from) / total));
  const ioWait = share(before.ioWait, after.ioWait);
  return { busy: Math.max(0, 1 - share(before.idle, after.idle) - ioWait), ioWait };
}

/** Ms in which at least one task waited for I/O, from /proc/pressure/io; null where the kernel does not tell. */
export function readIoStallMs(pressure: string): number | null {
  const some = /^some .*total=(\d+)$/m.exec(pressure);
  return some ? Number(some[1]) / 1_000 : null;
}

/** CPU seconds a process has used, from /proc/PID/stat, and its parent; null when it has ended. */
export function processCpu(pid: number): { seconds: number; parent: number } | null {
  const text = ownFile(`/proc/${pid}/stat`);
  // The command's name may hold anything; fields are counted from behind it (proc_pid_stat(5)).
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  if (!fields) return null;
  const TICKS_PER_SECOND = 100;
  const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  return { seconds, parent: Number(fields[1]) };
}

/** A file of this machine; null where there is none. */
export function ownFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
