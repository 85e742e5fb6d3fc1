// This machine: where state lies, what room is left, which ports and addresses are free, how its backup stands.
import { constants, existsSync } from "node:fs";
import { access } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, resolve } from "node:path";
import { readBackup } from "../../hub/query/backup.ts";
import { readDisk } from "../../hub/query/disk.ts";
import { webPortOf } from "../../shared/config.ts";
import type { Settings } from "../../shared/config.ts";
import { codeOf } from "../../shared/errors.ts";
import { refusalOf } from "../../shared/listen.ts";
import { assertPrivate } from "../../shared/private-address.ts";
import { fetchJson } from "../http.ts";
import { broken, troubleOf, warning } from "./finding.ts";
import type { Check, Look, Trouble } from "./finding.ts";
import { guarded } from "./settings.ts";

/** The folder itself, or the nearest one above it that exists: it would be made there. */
function standing(directory: string): string {
  for (let at = resolve(directory); ; at = dirname(at)) if (existsSync(at) || at === "/") return at;
}

async function directoryTroubles(settings: Settings): Promise<Trouble[]> {
  const directory = resolve(settings.TICKHUB_STATE_DIR);
  const at = standing(directory);
  try {
    // A file in its place can be written and not entered, also by root.
    await access(`${at}/.`, constants.W_OK | constants.X_OK);
    return [];
  } catch (cause) {
    const facts = { directory, parent: at, reason: codeOf(cause) };
    return [
      broken(
        "DATABASE_DIRECTORY",
        facts,
        `\`ls -ld ${at}\`: make it a folder that this user can write, or \`export TICKHUB_STATE_DIR=…\``,
      ),
    ];
  }
}

/** PostgreSQL takes 16 MB at a time for WAL, and a checkpoint as much as came since the last. */
const FREE_BYTES_MIN = 256 * 1024 ** 2;
const FREE_RATIO_MIN = 0.1;

async function diskTroubles(settings: Settings): Promise<Trouble[]> {
  const status = settings.TICKHUB_BACKUP_STATUS;
  const folder = standing(status ? dirname(status) : settings.TICKHUB_STATE_DIR);
  const room = await readDisk(folder);
  if (!room) return [];
  const { freeBytes, totalBytes } = room;
  const facts = {
    folder,
    freeMb: Math.round(freeBytes / 1e6),
    sizeMb: Math.round(totalBytes / 1e6),
  };
  const next = `\`df -h ${folder}\`, then free room; TICKHUB_RETAIN_DAYS lets raw ticks go by age.`;
  if (freeBytes < FREE_BYTES_MIN) return [broken("DISK_LOW", facts, next)];
  return freeBytes < FREE_RATIO_MIN * totalBytes ? [warning("DISK_LOW", facts, next)] : [];
}

/** Free, or held by a hub of ours. */
async function portTroubles(settings: Settings): Promise<Trouble[]> {
  const { TICKHUB_PORT: port, TICKHUB_BIND: host } = settings;
  const ports = [...new Set([port, webPortOf(settings)])];
  return (await Promise.all(ports.map((one) => portTrouble(one, host)))).flat();
}

async function portTrouble(port: number, bind: string): Promise<Trouble[]> {
  const server = createServer();
  try {
    await new Promise<void>((done, failed) => {
      server.once("error", failed).listen(port, bind, () => server.close(() => done()));
    });
    return [];
  } catch (cause) {
    const host = bind.includes(":") ? `[${bind}]` : bind;
    const ours = await fetchJson<{ version?: string }>(`http://${host}:${port}/healthz`);
    if (typeof ours?.version === "string") return [];
    const refusal = refusalOf(cause as Error, { port, bind, name: "TICKHUB_BIND" });
    const next =
      codeOf(refusal) === "GATEWAY_PORT_TAKEN"
        ? `\`ss -ltnp sport = :${port}\` names the program; stop it, or \`export TICKHUB_PORT=…\``
        : "`tailscale ip -4` names this machine's address; `export TICKHUB_BIND=…`";
    if (codeOf(refusal) === "EACCES") {
      const facts = { port, bind, reason: "EACCES" };
      return [broken("GATEWAY_PORT_TAKEN", facts, "`export TICKHUB_PORT=8610`")];
    }
    return [troubleOf(refusal, next)];
  }
}

function bindTroubles({ settings }: Look): Trouble[] {
  const { TICKHUB_ALLOW_PUBLIC: allowPublic } = settings;
  return (["TICKHUB_BIND", "TICKHUB_STATUS_BIND"] as const).flatMap((name) =>
    guarded(() => {
      assertPrivate(settings[name], allowPublic);
      return [];
    }, `\`tailscale ip -4\`, then \`export ${name}=…\`; everybody else on ${settings[name]} could look in.`),
  );
}

async function backupTroubles({ settings, clock }: Look): Promise<Trouble[]> {
  const path = settings.TICKHUB_BACKUP_STATUS;
  if (!path) return [];
  const { troubles } = await readBackup(path, clock.nowMs());
  return troubles.map((trouble) =>
    broken("BACKUP_STALE", { path, trouble }, "`systemctl status tickhub-wal-upload.timer`"),
  );
}

export const MACHINE_CHECKS: readonly Check[] = [
  { name: "state directory", run: ({ settings }) => directoryTroubles(settings) },
  { name: "disk", run: ({ settings }) => diskTroubles(settings) },
  { name: "bind", needs: ["TICKHUB_BIND", "TICKHUB_STATUS_BIND"], run: bindTroubles },
  {
    name: "port",
    needs: ["TICKHUB_PORT", "TICKHUB_WEB_PORT", "TICKHUB_BIND"],
    run: ({ settings }) => portTroubles(settings),
  },
  { name: "backup", run: backupTroubles },
];
