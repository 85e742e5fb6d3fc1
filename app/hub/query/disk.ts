// How much room the volume has that the database is on, as far as this process can see it.
import { statfs } from "node:fs/promises";

export interface DiskPicture {
  freeBytes: number;
  totalBytes: number;
}

/** Of the volume that holds `path`; null where there is no such path here. Never throws. */
export async function readDisk(path: string | undefined): Promise<DiskPicture | null> {
  if (path === undefined) return null;
  try {
    const { bavail, blocks, bsize } = await statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return null;
  }
}
