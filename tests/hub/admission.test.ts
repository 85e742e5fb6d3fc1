import { describe, expect, test } from "vitest";
import { Admission, assertPrivate } from "../../app/hub/ingest/admission.ts";

describe("admission", () => {
  const admission = new Admission(
    new Map([
      ["kis", "token of kis"],
      ["kiwoom", "token of kiwoom"],
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
    "localhost",
    "::1",
    "10.1.2.3",
    "192.168.0.5",
    "172.31.0.1",
    "100.101.102.103",
    "fd7a:115c:a1e0::1",
  ])("%s is private", (bind) => {
    expect(() => assertPrivate(bind, false)).not.toThrow();
  });

  test.each(["0.0.0.0", "::", "8.8.8.8", "172.32.0.1", "100.128.0.1", "hub.example.com"])(
    "%s might be public: GATEWAY_PUBLIC unless allowed",
    (bind) => {
      const refusal = expect.objectContaining({ code: "GATEWAY_PUBLIC" }) as Error;
      expect(() => assertPrivate(bind, false)).toThrow(refusal);
      expect(() => assertPrivate(bind, true)).not.toThrow();
    },
  );
});
