// Who runs the embedded PostgreSQL, and where its files go. PostgreSQL refuses to run as root, so root
// lends it an unprivileged user; that user often cannot enter the folder of the clone (/root is 0700),
// and then data and binaries move to a folder outside, remembered by a note in the one asked for.
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf, TickhubError } from "../shared/errors.ts";

/** Where root's databases go when their clone is out of reach for the server's user. */
const OUTSIDE = "/var/lib/tickhub";

export interface User {
  uid: number;
  gid: number;
}

export interface Place {
  /** Who the server runs as; undefined = as this process. */
  user: User | undefined;
  /** The cluster. */
  data: string;
  /** The folder with bin/, lib/ and share/, reachable by the server's user. */
  native: string;
  log: string;
}

/** Decides user and folders for `directory`, which exists; `native` is where the binaries are installed. */
export async function settle(directory: string, native: string): Promise<Place> {
  await access(directory, constants.W_OK | constants.X_OK);
  if (process.getuid?.() !== 0) {
    return placeIn(directory, native, undefined);
  }
  const user = await lentUser(directory);
  const home = (await canEnter(directory, user)) ? directory : await outside(directory);
  const reachable = await canEnter(native, user);
  return placeIn(home, reachable ? native : join(home, "native"), user);
}

function placeIn(home: string, native: string, user: User | undefined): Place {
  return { user, data: join(home, "data"), native, log: join(home, "postgres.log") };
}

/** Owner of an existing cluster, else of the folder, else the system's `postgres` or `nobody`. */
async function lentUser(directory: string): Promise<User> {
  for (const path of [join(directory, "data"), directory]) {
    const owner = await stat(path).catch(() => null);
    // initdb asks the system for the name of its user, so a bare number will not do.
    if (owner && owner.uid !== 0 && (await passwd()).some((entry) => entry.uid === owner.uid)) {
      return { uid: owner.uid, gid: owner.gid };
    }
  }
  const entries = await passwd();
  const entry =
    entries.find((e) => e.name === "postgres") ?? entries.find((e) => e.name === "nobody");
  if (entry) return { uid: entry.uid, gid: entry.gid };
  throw new TickhubError("DATABASE_DIRECTORY", {
    directory,
    reason: "PostgreSQL does not run as root, and this system has neither user postgres nor nobody",
  });
}

async function passwd(): Promise<(User & { name: string })[]> {
  const text = await readFile("/etc/passwd", "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => {
    const [name, , uid, gid] = line.split(":");
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

/** Whether `user` may pass through every folder down to `path`, by the mode bits. */
async function canEnter(path: string, user: User): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    const { mode, uid, gid } = await stat(at);
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/** The folder outside that belongs to `directory`. Its name is random, so that a new clone starts empty. */
async function outside(directory: string): Promise<string> {
  const note = join(directory, "outside");
  let home = await readFile(note, "utf8").then(
    (text) => text.trim(),
    (error: unknown) => (codeOf(error) === "ENOENT" ? "" : Promise.reject(error as Error)),
  );
  if (home === "") {
    home = join(OUTSIDE, randomUUID());
    await writeFile(note, home + "\n");
  }
  await mkdir(home, { recursive: true, mode: 0o755 });
  return home;
}
