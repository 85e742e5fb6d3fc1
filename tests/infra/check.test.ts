// The month's projection over plans made by hand: what is added to which side of the sum.
import { describe, expect, it } from "vitest";
import type { Projection, StackPlan } from "../../infra/lib/projection.ts";
import { project, projectionText } from "../../infra/lib/projection.ts";
import type { Resource } from "../../infra/policy/rule.ts";
import { UNKNOWN } from "../../infra/policy/rule.ts";
import {
  gcpInstance,
  instance,
  planned,
  PRODUCTION,
  service,
  STAGING,
  volume,
} from "./policy/plan.ts";

const hub = (...resources: Resource[]): StackPlan => ({
  stack: "oci",
  facts: PRODUCTION,
  resources: [
    planned("oci:Budget/budget:Budget"),
    planned("oci:Budget/rule:Rule"),
    planned("oci:Limits/quota:Quota", { statements: ["zero load-balancer quotas in tenancy"] }),
    ...resources,
  ],
});
const edge = (role: "edge-gcp" | "edge-northflank", ...resources: Resource[]): StackPlan => ({
  stack: role,
  facts: { ...PRODUCTION, role },
  resources,
});
const lineOf = (projection: Projection, item: RegExp) =>
  projection.lines.find((line) => item.test(line.item))!;

describe("the month's projection", () => {
  it("of nothing is nothing, and fine", () => {
    const projection = project([]);
    expect(projection).toMatchObject({ knownUsd: 0, unconfirmedUsd: 0, ok: true, refusals: [] });
    expect(projectionText(projection)).toMatch(
      /\nok: known 0\.00 \+ unconfirmed <= 0\.00 USD a month\n$/,
    );
  });

  it("keeps what nobody has confirmed apart from what is known", () => {
    const projection = project([
      hub(
        instance(),
        volume(),
        planned("oci:Core/publicIp:PublicIp", { lifetime: "RESERVED" }),
        planned("oci:ObjectStorage/bucket:Bucket"),
        planned("docker:index/image:Image"),
      ),
      edge("edge-gcp", gcpInstance()),
      edge("edge-northflank", service(), service()),
    ]);
    expect(projection.refusals).toEqual([]);
    expect(projection.ok).toBe(true);
    expect(projection.knownUsd).toBe(0);
    // Reserved IP 3.65, requests 0.04, registry 0.50; GCP's address 3.65; Northflank's plan 5.40, egress
    // 11.04, logs 0.50; ephemeral devices 2.00.
    expect(projection.unconfirmedUsd).toBe(26.76);
    expect(lineOf(projection, /A1.Flex cores/)).toMatchObject({
      planned: 2,
      limit: 2,
      over: false,
    });
    expect(lineOf(projection, /Boot and block/)).toMatchObject({ planned: 125, over: false });
    const text = projectionText(projection);
    expect(text).toMatch(/^OCI +A1\.Flex cores.* 2 of 2 OCPU +0\.00$/m);
    expect(text).toMatch(/^Northflank +Compute plan.* \+ <= 5\.40 +USD 2\.70 a month for each/m);
    expect(text).toContain("ok: known 0.00 + unconfirmed <= 26.76 USD a month");
  });

  it("prices 4 OCPU and 24 GB at what is beyond the free pool", () => {
    const projection = project([hub(instance({ shapeConfig: { ocpus: 4, memoryInGbs: 24 } }))]);
    expect(projection.ok).toBe(false);
    expect(lineOf(projection, /A1.Flex cores/)).toMatchObject({ over: true, knownUsd: 14.6 });
    expect(lineOf(projection, /A1.Flex memory/)).toMatchObject({ over: true, knownUsd: 13.14 });
    expect(projection.knownUsd).toBe(27.74);
    expect(projectionText(projection)).toMatch(/^refused {2}oci {2}oci-shape {2}It has 4 OCPU/m);
  });

  it("adds stacks up, because the free pool is the tenancy's", () => {
    const half = () => instance({ shapeConfig: { ocpus: 1, memoryInGbs: 6 } });
    const staging = { stack: "oci-staging", facts: STAGING, resources: [half()] };
    expect(project([hub(half()), staging]).ok).toBe(true);
    const both = project([hub(instance()), staging]);
    expect(both.refusals).toEqual([]);
    expect(both.ok).toBe(false);
    expect(lineOf(both, /A1.Flex cores/)).toMatchObject({ planned: 3, over: true });
  });

  it("is not fine with a size that cannot be added up, twice of what is free once, or an unknown type", () => {
    const sizes = project([hub(volume({ sizeInGbs: UNKNOWN }))]);
    expect(lineOf(sizes, /Boot and block/).over).toBe(true);
    expect(sizes.ok).toBe(false);
    const addresses = ["a", "b"].map(() =>
      planned("oci:Core/publicIp:PublicIp", { lifetime: "RESERVED" }),
    );
    expect(project([hub(...addresses)]).unconfirmedUsd).toBe(7.3);
    const types = project([hub(planned("oci:LoadBalancer/loadBalancer:LoadBalancer"))]);
    expect(types.refusals).toMatchObject([{ stack: "oci", rule: "free-types" }]);
    expect(types.ok).toBe(false);
  });

  it("says of allowPaid what it costs, all the same", () => {
    const paid = { ...hub(instance({ shapeConfig: { ocpus: 4, memoryInGbs: 12 } })) };
    const projection = project([{ ...paid, facts: { ...PRODUCTION, allowPaid: true } }]);
    expect(projection).toMatchObject({ knownUsd: 14.6, ok: false });
  });
});
