// The tailnet's policy: who may open which TCP port of whom. Everything else is denied, because a policy
// with any grant denies what it does not name. Production and staging have tags of their own and never meet;
// only people reach both. No grant holds `*`, a range of ports or an address. What it must come to is written
// a second time, as a table, in tailnet-matrix.ts, and travels with the policy as its `tests`.
//
// SSH is OpenSSH over the tailnet, not Tailscale SSH, so there is no `ssh` section: docs/adr/0016.
import type { KiwoomEgress, Phase } from "../config.ts";
import { PORTS, stagingTag, TAGS, type Tag } from "./names.ts";
import { mergeExtra } from "./tailnet-extra.ts";
import { ADMINS, reachability, STRANGER } from "./tailnet-matrix.ts";

export interface TailnetPlan {
  /** Users who may use SSH, the database and the page; e-mail addresses as Tailscale knows them. */
  admins: string[];
  phase: Phase;
  kiwoomEgress: KiwoomEgress;
  /** HuJSON of an earlier policy, whose rules are kept beside ours. */
  extraPolicy?: string;
}

export interface Grant {
  src: string[];
  dst: string[];
  /** `tcp:8610`: a protocol and one port. */
  ip: string[];
}

export interface PolicyTest {
  src: string;
  accept?: string[];
  deny?: string[];
}

/** A policy file's sections; those that only an adopted policy has come through as they are. */
export interface Policy {
  groups: Record<string, string[]>;
  hosts: Record<string, string>;
  tagOwners: Record<string, string[]>;
  grants: Grant[];
  tests: PolicyTest[];
  [section: string]: unknown;
}

/**
 * The whole policy of a plan, merged with an adopted one.
 * @throws Error when nobody is an admin, or the adopted policy names or opens what is ours
 */
export function tailnetPolicy(plan: TailnetPlan): Policy {
  if (plan.admins.length === 0) {
    throw new Error("tailnet: name at least one admin, or nobody can reach the hub");
  }
  const ours: Policy = {
    groups: { [ADMINS]: [...plan.admins].sort() },
    hosts: { [STRANGER.name]: STRANGER.address },
    tagOwners: { ...tagOwners((tag) => tag), ...tagOwners(stagingTag) },
    grants: [...grants(plan, (tag) => tag), ...grants(plan, stagingTag)],
    tests: reachability(plan).map(({ src, accept, deny }) => ({
      src,
      ...(accept.length > 0 && { accept }),
      ...(deny.length > 0 && { deny }),
    })),
  };
  return plan.extraPolicy === undefined ? ours : mergeExtra(ours, plan.extraPolicy);
}

/** Tags that containers and the small VM join with, by keys which a client that carries `tag:edges` mints. */
const MINTED: Tag[] = [TAGS.edgeKis, TAGS.edgeKiwoom, TAGS.edgeNews, TAGS.sentinel];

function tagOwners(as: (tag: Tag) => string): Record<string, string[]> {
  return Object.fromEntries(
    Object.values(TAGS).map((tag) => [
      as(tag),
      MINTED.includes(tag) ? [ADMINS, as(TAGS.edges)] : [ADMINS],
    ]),
  );
}

function grants({ phase, kiwoomEgress }: TailnetPlan, as: (tag: Tag) => string): Grant[] {
  const grant = (src: (Tag | typeof ADMINS)[], dst: Tag[], ...ports: number[]): Grant => ({
    src: src.map((who) => (who === ADMINS ? who : as(who))),
    dst: dst.map(as),
    ip: ports.map((port) => `tcp:${port}`),
  });
  const { hub, home, edgeKis, edgeKiwoom, edgeNews, sentinel, egress } = TAGS;
  const collectors = [edgeKis, edgeKiwoom, edgeNews];
  const lender = { hub, home, "oci-micro": egress }[kiwoomEgress];
  return [
    grant([home, ...collectors], [hub], PORTS.gateway),
    ...(phase === "local" ? [grant([home], [hub], PORTS.database)] : []),
    grant([edgeKiwoom], [lender], PORTS.kiwoomProxy),
    grant([sentinel], [hub], PORTS.web),
    grant([sentinel, hub], collectors, PORTS.edgeStatus),
    grant([ADMINS], [hub], PORTS.ssh, PORTS.database, PORTS.web),
    // The virtual machines beside the hub; containers have no SSH.
    grant([ADMINS], [edgeNews, egress], PORTS.ssh),
  ];
}

/** The policy as text, always the same for the same policy: JSON whose lists fill their lines. */
export const renderPolicy = (policy: Policy): string => `${lines(policy, "", 0)}\n`;

const WIDTH = 100;

/** JSON of `value`, whose first line begins at column `used`, further ones after `indent`. */
function lines(value: unknown, indent: string, used: number): string {
  const flat = spaced(value);
  if (typeof value !== "object" || value === null || used + flat.length < WIDTH) return flat;
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const body = value.every((item) => typeof item === "string")
      ? fill(value, inner)
      : value.map((item) => inner + lines(item, inner, inner.length)).join(",\n");
    return `[\n${body}\n${indent}]`;
  }
  const body = Object.entries(value).map(([key, item]) => {
    const name = `${inner}${JSON.stringify(key)}: `;
    return name + lines(item, inner, name.length);
  });
  return `{\n${body.join(",\n")}\n${indent}}`;
}

/** JSON on one line, with the blanks that people put. */
function spaced(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  const entries = Object.entries(value).map(
    ([key, item]) => `${JSON.stringify(key)}: ${spaced(item)}`,
  );
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

function fill(items: string[], indent: string): string {
  const filled: string[] = [];
  let line = "";
  items.forEach((item, index) => {
    const text = JSON.stringify(item) + (index < items.length - 1 ? "," : "");
    if (line !== "" && indent.length + line.length + 1 + text.length > WIDTH) {
      filled.push(indent + line);
      line = "";
    }
    line += line === "" ? text : ` ${text}`;
  });
  return [...filled, indent + line].join("\n");
}
