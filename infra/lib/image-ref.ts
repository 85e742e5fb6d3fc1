// References to images: what a registry's address is, and the one form in which machines are told of an
// image, `repository@sha256:…`. Never `tag@sha256:…`: Northflank refuses it, and a tag says nothing beside
// a digest.
import { TickhubError } from "../../app/shared/errors.ts";

/** The registry's address: `ghcr.io` of `ghcr.io/owner/tickhub`, `127.0.0.1:5000` of the tests'. */
export const registryAddress = (repository: string): string => repository.split("/")[0]!;

/** The path below the address: `owner/tickhub`. */
export const repositoryPath = (repository: string): string =>
  repository.split("/").slice(1).join("/");

/**
 * `repository@sha256:…` of what a build says it pushed (`repository@…`, `repository:tag@…`).
 * Throws IMAGE_UNPINNED when there is no digest in it.
 */
export function pinned(repository: string, pushed: string | undefined): string {
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(pushed ?? "")?.[1];
  if (digest === undefined) throw new TickhubError("IMAGE_UNPINNED", { image: repository });
  return `${repository}@${digest}`;
}
