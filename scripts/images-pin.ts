// `npm run images:pin`: asks the registry which digest each base image's tag has today, and writes it into
// images/bases.json and wherever that file's text stands for it (the Dockerfiles' defaults). A base changes
// by a commit, never by itself. Needs Docker and a network; with names as arguments, only those.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const BASES = new URL("../images/bases.json", import.meta.url);
const COPIES = ["../images/hub/Dockerfile", "../images/edge/Dockerfile"].map(
  (path) => new URL(path, import.meta.url),
);

/** Digest of the tag's index, which covers every architecture. Throws what docker said. */
function digestOf(tag: string): string {
  const format = ["--format", "{{json .Manifest}}"];
  const said = execFileSync("docker", ["buildx", "imagetools", "inspect", ...format, tag], {
    encoding: "utf8",
  });
  return (JSON.parse(said) as { digest: string }).digest;
}

const bases = JSON.parse(readFileSync(BASES, "utf8")) as Record<string, string>;
const wanted = process.argv.slice(2);
for (const [name, old] of Object.entries(bases)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const tag = old.split("@")[0]!;
  const pinned = `${tag}@${digestOf(tag)}`;
  console.log(`${name} ${pinned}${pinned === old ? " (as before)" : ""}`);
  bases[name] = pinned;
  for (const copy of COPIES) {
    writeFileSync(copy, readFileSync(copy, "utf8").replaceAll(`=${old}\n`, `=${pinned}\n`));
  }
}
writeFileSync(BASES, `${JSON.stringify(bases, null, 2)}\n`);
