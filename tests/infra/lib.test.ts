// The plan's pure parts: statements of quotas and access, derived secrets, references to images.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { accessStatements } from "../../infra/lib/access.ts";
import { databaseUrl, derived, edgeTokens } from "../../infra/lib/derived.ts";
import { pinned, registryAddress, repositoryPath } from "../../infra/lib/image-ref.ts";
import { FREE_ALLOWANCE, quotaStatements } from "../../infra/lib/quota-statements.ts";
import { releaseText } from "../../infra/lib/release-text.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;

describe("quota statements", () => {
  const statements = quotaStatements("tenancy");
  const index = (part: string) => statements.findIndex((each) => each.includes(part));

  it("close a family before they open what is free in it", () => {
    for (const statement of statements.filter((each) => each.startsWith("set "))) {
      const family = statement.split(" ")[1]!;
      expect(index(`zero ${family} quotas`), family).toBeGreaterThanOrEqual(0);
      expect(index(`zero ${family} quotas`)).toBeLessThan(statements.indexOf(statement));
    }
  });

  it("have both names of each A1 pair, or no launch would succeed", () => {
    for (const [name, value] of [
      ["standard-a1-core", 2],
      ["standard-a1-memory", 12],
    ] as const) {
      for (const ending of ["-count", "-regional-count"]) {
        expect(index(`quota ${name}${ending} to ${value} in tenancy`)).toBeGreaterThan(0);
      }
    }
  });

  it("leave no family that bills open", () => {
    const closed = statements
      .filter((each) => each.startsWith("zero "))
      .map((each) => each.split(" ")[1]);
    expect(closed).toEqual(
      expect.arrayContaining(["compute-core", "block-storage", "load-balancer", "database"]),
    );
    expect(statements.join("\n")).not.toMatch(/\bunset\b/);
  });

  it("name a compartment by its name", () => {
    for (const statement of quotaStatements({ compartment: "tickhub" }, FREE_ALLOWANCE))
      expect(statement).toMatch(/ in compartment tickhub$/);
  });
});

describe("access statements", () => {
  it("are never for the tenancy, and never for every bucket or secret", () => {
    const statements = accessStatements({
      group: "g",
      compartmentId: "c",
      bucket: "b",
      writes: "everything",
      secretsCompartmentId: "s",
      secretIds: ["one", "two"],
    });
    expect(statements).toEqual([
      "allow dynamic-group g to read secret-bundles in compartment id s " +
        "where any {target.secret.id = 'one', target.secret.id = 'two'}",
      "allow dynamic-group g to read buckets in compartment id c where target.bucket.name = 'b'",
      "allow dynamic-group g to manage objects in compartment id c where target.bucket.name = 'b'",
    ]);
  });
});

describe("derived secrets", () => {
  const from = { seed: "seed-of-the-tests-and-of-nothing-else", stack: "oci", rotations: {} };

  it("are as long as random tokens and need no quoting anywhere", () => {
    expect(edgeTokens(from, ["kis"])["kis"]).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(databaseUrl(from)).toMatch(
      /^postgres:\/\/tickhub:[A-Za-z0-9_-]{43}@database:5432\/tickhub$/,
    );
  });

  it("differ when any of seed, stack, purpose, name or rotation does", () => {
    const part = fc.stringMatching(/^[a-z0-9/|,"-]{1,8}$/);
    const input = fc.tuple(part, part, part, part, fc.nat(3));
    const of = ([seed, stack, purpose, name, times]: [string, string, string, string, number]) =>
      derived({ seed, stack, rotations: { [name]: times } }, purpose, name);
    fc.assert(
      fc.property(input, input, fc.nat(4), (a, b, place) => {
        const one = a.with(place, b[place]!) as typeof a;
        expect(of(a) === of(one)).toBe(a[place] === b[place]);
        // A part of one's end may not count as a part of the next one's beginning.
        expect(of(a) === of(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

describe("an image", () => {
  it("is repository@digest, whatever the build says before the digest", () => {
    const repository = "ghcr.io/owner/tickhub/hub";
    for (const before of [repository, `${repository}:0.1.0`, "ghcr.io/owner/tickhub/hub:latest"])
      expect(pinned(repository, `${before}@${DIGEST}`)).toBe(`${repository}@${DIGEST}`);
  });

  it.each([undefined, "", "ghcr.io/owner/tickhub/hub:0.1.0", "x@sha256:abcd"])(
    "without a digest (%s) is refused",
    (pushed) => {
      expect(() => pinned("ghcr.io/owner/tickhub/hub", pushed)).toThrow("IMAGE_UNPINNED");
    },
  );

  it("has its registry before the first slash, port and all", () => {
    expect(registryAddress("127.0.0.1:5000/owner/tickhub")).toBe("127.0.0.1:5000");
    expect(repositoryPath("127.0.0.1:5000/owner/tickhub")).toBe("owner/tickhub");
  });
});

describe("a release", () => {
  const plan = {
    stack: "oci",
    version: "0.1.0",
    images: { hub: `h@${DIGEST}`, database: `d@${DIGEST}` },
    compose: "services: {}\n",
    settings: { B: "2", A: "1" },
    force: null,
  };

  it("is the same text whatever the order of its settings, and says its format", () => {
    const text = releaseText(plan);
    expect(releaseText({ ...plan, settings: { A: "1", B: "2" } })).toBe(text);
    expect(JSON.parse(text)).toEqual({ format: 1, ...plan });
    expect(Object.keys(JSON.parse(text) as object)).toEqual([
      ...["format", "stack", "version", "images", "compose", "settings", "force"],
    ]);
  });
});
