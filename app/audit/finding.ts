// What an audit says: one finding a question, with the next step wherever something is not right.

export interface Finding {
  section: string;
  check: string;
  /**
   * `ok`; `note`: true, and worth knowing before it costs something; `fail`: do not go on;
   * `skipped`: not asked, for want of credentials.
   */
  level: "ok" | "note" | "fail" | "skipped";
  found: string;
  /** What to do; always there for `fail` and `skipped`. */
  next?: string;
}

/** A section's own constructors, so that each line of it names the section once. */
export function sectionOf(section: string) {
  return {
    ok: (check: string, found: string): Finding => ({ section, check, level: "ok", found }),
    note: (check: string, found: string, next?: string): Finding => ({
      section,
      check,
      level: "note",
      found,
      ...(next === undefined ? {} : { next }),
    }),
    fail: (check: string, found: string, next: string): Finding => ({
      section,
      check,
      level: "fail",
      found,
      next,
    }),
    skipped: (found: string, next: string): Finding => ({
      section,
      check: "credentials",
      level: "skipped",
      found,
      next,
    }),
  };
}

/** 1 when something fails; 2 when nothing fails but not everything was asked; else 0. */
export function exitCodeOfFindings(findings: readonly Finding[]): number {
  if (findings.some(({ level }) => level === "fail")) return 1;
  return findings.some(({ level }) => level === "skipped") ? 2 : 0;
}

/** A table for a terminal: level, section, check, what was found; the next step in a line below. */
export function findingsText(findings: readonly Finding[]): string {
  const width = (of: (finding: Finding) => string) =>
    Math.max(0, ...findings.map((finding) => of(finding).length));
  const section = width((finding) => finding.section);
  const check = width((finding) => finding.check);
  return findings
    .map((finding) => {
      const head = `${finding.level.padEnd(7)}  ${finding.section.padEnd(section)}  ${finding.check.padEnd(check)}`;
      const next =
        finding.next === undefined ? "" : `${"".padEnd(head.length)}  next: ${finding.next}\n`;
      return `${head}  ${finding.found}\n${next}`;
    })
    .join("");
}
