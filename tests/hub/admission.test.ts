import * as crypto from "node:crypto";
import { createHash } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { Admission } from "../../app/hub/ingest/admission.ts";
import { assertPrivate, isTailnet } from "../../app/shared/private-address.ts";

vi.mock("node:crypto", async (original) => {
  const real = await original<typeof crypto>();
  return {
    ...real,
    createHash: vi.fn(real.createHash),
    timingSafeEqual: vi.fn(real.timingSafeEqual),
  };
});

describe("admission", () => {
  const hash = createHash("sha256").update("token of hashed").digest("hex");
  const admission = new Admission(
    new Map([
      ["kis", "token of kis"],
      ["kiwoom", "token of kiwoom"],
      ["hashed", `sha256:${hash}`],
    ]),
    new Map([["kis", ["kis:1"]]]),
  );

  test("an edge is admitted by its own token only", () => {
    expect(admission.admits("kis", "Bearer token of kis")).toBe(true);
    expect(admission.admits("kis", "Bearer token of kiwoom")).toBe(false);
    expect(admission.admits("stranger", "Bearer token of kis")).toBe(false);
    expect(admission.admits("kis", undefined)).toBe(false);
    expect(admission.admits("kis", "Basic token of kis")).toBe(false);
    expect(admission.admits("", "Bearer ")).toBe(false);
  });

  test("an edge whose hash was given is admitted by its token, and not by the hash", () => {
    expect(admission.admits("hashed", "Bearer token of hashed")).toBe(true);
    expect(admission.admits("hashed", `Bearer sha256:${hash}`)).toBe(false);
    expect(admission.admits("hashed", `Bearer ${hash}`)).toBe(false);
  });

  test.each([
    ["the right token", "kis", "Bearer token of kis"],
    ["a wrong one", "kis", "Bearer token of kiwoom"],
    ["a short one", "kis", "Bearer x"],
    ["a long one", "kis", `Bearer ${"x".repeat(8_000)}`],
    ["none", "kis", undefined],
    ["an unknown edge", "stranger", "Bearer token of kis"],
    ["no edge", "", undefined],
  ])("%s costs one digest and one comparison of 32 bytes", (_title, edge, authorization) => {
    const digests = vi.mocked(crypto.createHash).mockClear();
    const comparisons = vi.mocked(crypto.timingSafeEqual).mockClear();
    admission.admits(edge, authorization);
    expect(digests).toHaveBeenCalledTimes(1);
    expect(comparisons).toHaveBeenCalledTimes(1);
    expect(comparisons.mock.calls[0]!.map(({ byteLength }) => byteLength)).toEqual([32, 32]);
  });

  test("an edge with a list of accounts uses these only; one without uses all", () => {
    expect(admission.mayUse("kis", "kis:1")).toBe(true);
    expect(admission.mayUse("kis", "kis:2")).toBe(false);
    expect(admission.mayUse("kiwoom", "kis:2")).toBe(true);
    expect(admission.mayUse("stranger", "kis:1")).toBe(false);
  });
});

describe("the address the hub binds to", () => {
  test.each([
    "127.0.0.1",
    "127.255.255.254",
    "localhost",
    "::1",
    "::ffff:127.0.0.1",
    "100.64.0.0",
    "100.101.102.103",
    "100.127.255.255",
    "::ffff:100.64.0.1",
    "fd7a:115c:a1e0::1",
    "fd7a:115c:a1e0:ab12:4843:cd96:6258:b240",
  ])("%s is loopback or the tailnet", (bind) => {
    expect(() => assertPrivate(bind, false)).not.toThrow();
  });

  test.each([
    ["every IPv4 address", "0.0.0.0"],
    ["every IPv6 address", "::"],
    ["every address, mapped", "::ffff:0.0.0.0"],
    ["every address, short", "0"],
    ["the internet", "8.8.8.8"],
    ["the internet over IPv6", "2001:4860:4860::8888"],
    ["the internet, mapped", "::ffff:8.8.8.8"],
    ["just below the tailnet", "100.63.255.255"],
    ["just above the tailnet", "100.128.0.0"],
    ["just above the tailnet's IPv6", "fd7a:115c:a1e1::1"],
    ["another private IPv6 network", "fd00::1"],
    ["a link", "fe80::1%eth0"],
    ["a link over IPv4", "169.254.0.1"],
    ["a LAN, or a cloud's public address before its NAT", "10.1.2.3"],
    ["a LAN", "192.168.0.5"],
    ["a container network", "172.17.0.1"],
    ["a name", "hub.example.com"],
    ["a name in the tailnet", "hub.tail1234.ts.net"],
    ["a name that begins like an address", "127.0.0.1.example.com"],
    ["a name that begins like localhost", "localhost.example.com"],
    ["loopback, short", "127.1"],
    ["loopback as a number", "2130706433"],
    ["loopback with its port", "127.0.0.1:8610"],
    ["loopback in brackets", "[::1]"],
    ["nothing", ""],
  ])("%s (%s) is GATEWAY_PUBLIC unless allowed", (_title, bind) => {
    const refusal = expect.objectContaining({ code: "GATEWAY_PUBLIC", context: { bind } }) as Error;
    expect(() => assertPrivate(bind, false)).toThrow(refusal);
    expect(() => assertPrivate(bind, true)).not.toThrow();
  });

  test("a tailnet address is one of 100.64.0.0/10 or fd7a:115c:a1e0::/48", () => {
    expect(isTailnet("::ffff:100.100.100.100")).toBe(true);
    expect(isTailnet("127.0.0.1")).toBe(false);
    expect(isTailnet("")).toBe(false);
  });
});

test("news and log are their own edge's alone, whatever else it may use", () => {
  const tokens = new Map([
    ["kis", "a long token"],
    ["news", "another token"],
  ]);
  const admission = new Admission(tokens, new Map([["kis", ["kis:1", "log:news"]]]));
  for (const edge of ["kis", "news"]) {
    for (const lane of ["log", "news"]) {
      expect(admission.mayUse(edge, `${lane}:${edge}`)).toBe(true);
      expect(admission.mayUse(edge, `${lane}:${edge === "kis" ? "news" : "kis"}`)).toBe(false);
    }
  }
  expect(admission.mayUse("nobody", "log:nobody")).toBe(false);
});
