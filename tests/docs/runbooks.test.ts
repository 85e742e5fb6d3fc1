// What runbooks tell people to type exists: each command of ours, and each of its options. The Korean pages
// show the same commands and outputs as the English ones.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const ENGLISH = "docs/runbooks";
const KOREAN = "docs/ko/runbooks";

function blocksOf(path: string): string[] {
  const text = readFileSync(path, "utf8");
  return [...text.matchAll(/^ *```\w*\n(.*?)^ *```/gms)].map((match) => match[1]!);
}

/** `phase` with `--to`, `--from`: of `npx tickhub phase advance --to dual`. */
function callsIn(path: string): { command: string; options: string[] }[] {
  const lines = blocksOf(path).join("\n").split("\n");
  return lines
    .filter(
      (line) =>
        /^\s*(\$ |next: |npx |docker |northflank )/.test(line) || line.includes("npx tickhub"),
    )
    .flatMap((line) => [...line.matchAll(/(?<![/-]|-p )\btickhub ([a-z]+)([^|;&#"']*)/g)])
    .map(([, command, rest]) => ({
      command: command!,
      options: [...rest!.matchAll(/ (--[a-z-]+)/g)].map((match) => match[1]!),
    }));
}

const help = new Map<string, string>();
function helpOf(command: string): string {
  const known = help.get(command);
  if (known !== undefined) return known;
  const text = execFileSync(process.execPath, ["app/cli/main.ts", command, "--help"], {
    encoding: "utf8",
  });
  help.set(command, text);
  return text;
}

const pages = readdirSync(ENGLISH).filter((name) => name.endsWith(".md") && name !== "README.md");

describe("runbooks", () => {
  it.each(pages)("%s names commands and options that there are", (page) => {
    for (const { command, options } of callsIn(`${ENGLISH}/${page}`)) {
      const text = helpOf(command);
      expect(text).toMatch(new RegExp(`^Usage: tickhub ${command}\\b`));
      for (const option of options) expect(text, `${command} ${option}`).toContain(option);
    }
  });

  it("the quick start names commands and options that there are", () => {
    const calls = callsIn("docs/quick-start.md");
    expect(calls.length).toBeGreaterThan(9);
    for (const { command, options } of calls)
      for (const option of ["", ...options]) expect(helpOf(command), command).toContain(option);
  });

  it.each(readdirSync(KOREAN))("%s shows in Korean what it shows in English", (page) => {
    expect(existsSync(`${ENGLISH}/${page}`)).toBe(true);
    expect(blocksOf(`${KOREAN}/${page}`)).toEqual(blocksOf(`${ENGLISH}/${page}`));
  });

  it("the three steps of the migration are there in both languages", () => {
    for (const page of ["to-local.md", "to-dual.md", "to-cloud.md"]) {
      expect(pages).toContain(page);
      expect(callsIn(`${ENGLISH}/${page}`).length).toBeGreaterThan(4);
      expect(readdirSync(KOREAN)).toContain(page);
    }
  });
});
