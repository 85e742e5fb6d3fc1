// The policy as a pure function of its plan: what it grants, what it never grants, and that the table of
// its own tests says the same. Whether a control server understands it so is tried in tests/mesh.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PORTS, stagingTag, TAGS } from "../../infra/lib/names.ts";
import {
  ADMINS,
  columnTags,
  PORTS_OF_INTEREST,
  reachability,
  STRANGER,
} from "../../infra/lib/tailnet-matrix.ts";
import {
  type Policy,
  renderPolicy,
  type TailnetPlan,
  tailnetPolicy,
} from "../../infra/lib/tailnet-policy.ts";
import { COMMITTED } from "./support/render-policies.ts";

const plan = fc.record({
  admins: fc.uniqueArray(fc.emailAddress(), { minLength: 1, maxLength: 3 }),
  phase: fc.constantFrom("home", "local", "dual", "cloud"),
  kiwoomEgress: fc.constantFrom("hub", "home", "oci-micro"),
}) satisfies fc.Arbitrary<TailnetPlan>;

const local: TailnetPlan = { admins: ["a@example.com"], phase: "local", kiwoomEgress: "hub" };
const production = Object.values(TAGS);
const staging = production.map(stagingTag);

/** What a reader of the grants would say: may `src` open `dst`'s port? */
const grants = ({ grants }: Policy, src: string, dst: string, port: number) =>
  grants.some(
    (grant) =>
      grant.src.includes(src) && grant.dst.includes(dst) && grant.ip.includes(`tcp:${port}`),
  );

const holds = (check: (policy: Policy, plan: TailnetPlan) => void) =>
  fc.assert(fc.property(plan, (it) => check(tailnetPolicy(it), it)));

describe("the policy", () => {
  it("grants what the table says and nothing else, for every pair of machines and port", () => {
    holds((policy, it) => {
      for (const { src, accept, deny } of reachability(it)) {
        for (const [list, expected] of [
          [accept, true],
          [deny, false],
        ] as const) {
          for (const target of list) {
            const [, dst, port] = /^(.*):(\d+)$/.exec(target)!;
            expect(grants(policy, src, dst!, Number(port)), `${src} -> ${target}`).toBe(expected);
          }
        }
      }
    });
  });

  it("asserts every source against every machine and port exactly once", () => {
    holds((policy) => {
      const asserted = policy.tests.flatMap(({ src, accept = [], deny = [] }) =>
        [...accept, ...deny].map((target) => `${src} ${target}`),
      );
      const pairs = [ADMINS, STRANGER.name, ...production, ...staging].flatMap((src) =>
        [...production, ...staging].flatMap((dst) =>
          PORTS_OF_INTEREST.map((port) => `${src} ${dst}:${port}`),
        ),
      );
      expect(asserted.sort()).toEqual(pairs.sort());
    });
  });

  it("has a column in its table for every tag", () => {
    expect(columnTags()).toEqual(production);
  });

  it("names tags or the admins, one protocol and one port a grant: no `*`, no range, no address", () => {
    holds(({ grants }) => {
      for (const { src, dst, ip } of grants) {
        for (const who of src) expect([ADMINS, ...production, ...staging]).toContain(who);
        for (const whom of dst) expect([...production, ...staging]).toContain(whom);
        for (const what of ip) expect(what).toMatch(/^tcp:\d+$/);
      }
    });
  });

  it("lets staging and production touch in no grant", () => {
    const isStaging = (name: string) => name.startsWith("tag:stg-");
    holds(({ grants, tagOwners }) => {
      for (const { src, dst } of grants) {
        const sides = new Set([...src.filter((who) => who !== ADMINS), ...dst].map(isStaging));
        expect(sides.size).toBe(1);
      }
      for (const [tag, owners] of Object.entries(tagOwners)) {
        for (const owner of owners.filter((who) => who !== ADMINS)) {
          expect(isStaging(owner)).toBe(isStaging(tag));
        }
      }
    });
  });

  it("opens the database to the home machine while the phase is local, and to no machine otherwise", () => {
    holds((policy, { phase }) => {
      const machines = [...production, ...staging].flatMap((src) =>
        [...production, ...staging]
          .filter((dst) => grants(policy, src, dst, PORTS.database))
          .map((dst) => [src, dst]),
      );
      const home = [
        [TAGS.home, TAGS.hub],
        [stagingTag(TAGS.home), stagingTag(TAGS.hub)],
      ];
      expect(machines).toEqual(phase === "local" ? home : []);
    });
  });

  it("has an owner for every tag that it names, and lets tag:edges own the tags of what joins by itself", () => {
    holds(({ grants, tagOwners }) => {
      const named = new Set(grants.flatMap(({ src, dst }) => [...src, ...dst]));
      named.delete(ADMINS);
      expect(Object.keys(tagOwners)).toEqual(expect.arrayContaining([...named]));
      expect(Object.keys(tagOwners).filter((tag) => tagOwners[tag]!.includes("tag:edges"))).toEqual(
        ["tag:edge-kis", "tag:edge-kiwoom", "tag:edge-news", "tag:sentinel"],
      );
    });
  });

  it("is refused without an admin, who alone could mend it", () => {
    expect(() => tailnetPolicy({ ...local, admins: [] })).toThrow(/at least one admin/);
  });

  it("is rendered as JSON that reads back the same, in lines of 100 columns", () => {
    holds((policy) => {
      const text = renderPolicy(policy);
      expect(JSON.parse(text)).toEqual(policy);
      for (const line of text.split("\n")) {
        if (!line.includes("@")) expect(line.length).toBeLessThanOrEqual(100);
      }
    });
  });

  it.each(Object.entries(COMMITTED))("is committed byte for byte as %s", (name, committed) => {
    const text = readFileSync(`infra/tailnet/${name}`, "utf8");
    expect(text).toBe(renderPolicy(tailnetPolicy(committed)));
  });
});

describe("an adopted policy", () => {
  const extra = `{
    // A printer, and the family.
    "groups": { "group:family": ["mum@example.com"] },
    "hosts": { "printer": "100.64.0.9" },
    "tagOwners": { "tag:printer": ["group:family"], },
    "acls": [{ "action": "accept", "src": ["group:family"], "dst": ["printer:631"] }],
    "grants": [{ "src": ["group:family"], "dst": ["tag:printer"], "ip": ["tcp:631"] },],
    "nodeAttrs": [{ "target": ["autogroup:member"], "attr": ["funnel"] }],
    "tests": [{ "src": "mum@example.com", "accept": ["printer:631"] }],
    "randomizeClientPort": true, /* their router wants it */
  }`;

  it("keeps everything of theirs and everything of ours", () => {
    const ours = tailnetPolicy(local);
    const merged = tailnetPolicy({ ...local, extraPolicy: extra });
    for (const section of ["groups", "hosts", "tagOwners"] as const) {
      expect(merged[section]).toMatchObject(ours[section]);
    }
    expect(merged.groups["group:family"]).toEqual(["mum@example.com"]);
    expect(merged.hosts["printer"]).toBe("100.64.0.9");
    expect(merged.tagOwners["tag:printer"]).toEqual(["group:family"]);
    expect(merged.grants).toEqual([
      ...ours.grants,
      { src: ["group:family"], dst: ["tag:printer"], ip: ["tcp:631"] },
    ]);
    expect(merged.tests).toEqual([
      ...ours.tests,
      { src: "mum@example.com", accept: ["printer:631"] },
    ]);
    expect(merged["acls"]).toHaveLength(1);
    expect(merged["nodeAttrs"]).toHaveLength(1);
    expect(merged["randomizeClientPort"]).toBe(true);
    expect(JSON.parse(renderPolicy(merged))).toEqual(merged);
  });

  it("loses no section, key or item, whatever it holds", () => {
    const name = fc.string({ minLength: 1 }).map((it) => `x-${it}`);
    const theirs = fc.record(
      {
        hosts: fc.dictionary(name, fc.ipV4()),
        tests: fc.array(fc.record({ src: name, accept: fc.array(name) })),
        nodeAttrs: fc.array(fc.record({ target: fc.array(name), attr: fc.array(name) })),
        disableIPv4: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(plan, theirs, (it, extra) => {
        const ours = tailnetPolicy(it);
        const merged = tailnetPolicy({ ...it, extraPolicy: JSON.stringify(extra) });
        for (const section of Object.keys(ours)) {
          const [mine, both] = [ours[section], merged[section]];
          if (Array.isArray(mine)) expect((both as unknown[]).slice(0, mine.length)).toEqual(mine);
          else expect(both).toMatchObject(mine as object);
        }
        for (const [section, value] of Object.entries(extra)) {
          const both = merged[section];
          if (section === "tests") expect(both).toEqual([...ours.tests, ...(value as [])]);
          else if (section === "hosts")
            expect(both).toEqual({ ...ours.hosts, ...(value as object) });
          else expect(both).toEqual(value);
        }
        expect(JSON.parse(renderPolicy(merged))).toEqual(JSON.parse(JSON.stringify(merged)));
      }),
    );
  });

  it.each([
    ["everything", `"acls": [{ "action": "accept", "src": ["*"], "dst": ["*:*"] }]`],
    [
      "every machine to somebody",
      `"grants": [{ "src": ["x@y.z"], "dst": ["*"], "ip": ["tcp:22"] }]`,
    ],
    [
      "a tag of ours",
      `"acls": [{ "action": "accept", "src": ["x@y.z"], "dst": ["tag:hub:5432"] }]`,
    ],
    ["staging", `"grants": [{ "src": ["x@y.z"], "dst": ["tag:stg-hub"], "ip": ["tcp:1"] }]`],
    [
      "all tagged machines",
      `"grants": [{ "src": ["x@y.z"], "dst": ["autogroup:tagged"], "ip": ["*"] }]`,
    ],
    ["a range that holds ours", `"acls": [{ "src": ["x@y.z"], "dst": ["100.64.0.0/10:22"] }]`],
    [
      "a range by an old field",
      `"acls": [{ "action": "accept", "users": ["*"], "ports": ["96.0.0.0/3:22"] }]`,
    ],
    ["a range of two ends", `"acls": [{ "src": ["x@y.z"], "dst": ["100.64.0.1-100.64.0.9:22"] }]`],
    ["a range of IPv6", `"grants": [{ "src": ["x@y.z"], "dst": ["fd7a:115c::/48"], "ip": ["*"] }]`],
    [
      "a set that may hold ours",
      `"grants": [{ "src": ["x@y.z"], "dst": ["ipset:a"], "ip": ["*"] }]`,
    ],
    [
      "a range under a name",
      `"hosts": { "lan": "100.64.0.0/16" }, "acls": [{ "src": ["x@y.z"], "dst": ["lan:22"] }]`,
    ],
  ])("that opens %s is refused", (_, rule) => {
    expect(() => tailnetPolicy({ ...local, extraPolicy: `{ ${rule} }` })).toThrow(
      /opens what is ours: (acls|grants)\[0\] reaches "/,
    );
  });

  it.each([
    [`{ "tagOwners": { "tag:hub": ["x@y.z"] } }`, /a "tag:hub" of its own in "tagOwners"/],
    [`{ "groups": { "group:tickhub-admins": [] } }`, /a "group:tickhub-admins" of its own/],
    [`{ "hosts": [] }`, /"hosts" is of another kind/],
    [`{\n "hosts": {]\n}`, /line 2: /],
    [`[]`, /one object/],
  ])("that renames what is ours, or is none, is refused: %s", (text, message) => {
    expect(() => tailnetPolicy({ ...local, extraPolicy: text })).toThrow(message);
  });

  it.each([
    `"acls": [{ "action": "accept", "src": ["*"], "dst": ["100.64.0.9:22", "100.64.0.9/32:22"] }]`,
    `"acls": [{ "action": "accept", "src": ["*"], "dst": ["192.168.0.0/16:*", "101.0.0.0/8:*"] }]`,
    `"grants": [{ "src": ["x@y.z"], "dst": ["*"], "app": { "example.com/cap/x": [{}] } }]`,
    `"acls": [{ "action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self:*"] }]`,
  ])("that opens what is theirs alone is taken: %s", (rule) => {
    expect(() => tailnetPolicy({ ...local, extraPolicy: `{ ${rule} }` })).not.toThrow();
  });

  it("may say the same as ours", () => {
    const same = JSON.stringify({ tagOwners: { "tag:hub": [ADMINS] } });
    expect(tailnetPolicy({ ...local, extraPolicy: same }).tagOwners).toEqual(
      tailnetPolicy(local).tagOwners,
    );
  });
});
