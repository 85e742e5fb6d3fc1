// The tailnet is one for all stacks: what only production's hub may own, and keys that open little and briefly.
import { at, listAt, numberOf, shown } from "../read.ts";
import type { Rule } from "../rule.ts";
import { UNKNOWN } from "../rule.ts";

const ACL = "tailscale:index/acl:Acl";
const KEY = "tailscale:index/tailnetKey:TailnetKey";
const SINGLETONS =
  /^tailscale:index\/(acl|contacts|dnsConfiguration|dnsNameservers|dnsPreferences|dnsSearchPaths|dnsSplitNameservers|tailnetSettings):/;
/** A machine's first boot takes minutes; a day covers an evening of "Out of host capacity". */
const KEY_S_MAX = 86_400;

export const tailnet: readonly Rule[] = [
  {
    name: "tailnet-policy-kept",
    about: "safety",
    over: "resource",
    description: "An existing tailnet policy is adopted, never overwritten or reset.",
    why: "The policy file is the whole tailnet's: overwriting it locks out, resetting it opens everything to everyone.",
    fix: "Remove overwriteExistingContent and resetAclOnDestroy; run `npm run tailnet:adopt` first.",
    check: ({ type, inputs }) =>
      type === ACL
        ? ["overwriteExistingContent", "resetAclOnDestroy"]
            .filter((flag) => ![undefined, false].includes(at(inputs, flag) as undefined))
            .map((flag) => `${flag} is set.`)
        : [],
  },
  {
    name: "tailnet-key",
    about: "safety",
    over: "resource",
    description: "Tailnet keys are used once, expire within a day, and are tagged.",
    why: "A machine's metadata can be read by every process on it; a key found there must open nothing any more.",
    fix: 'reusable: false, expiry: 3600, recreateIfInvalid: "never", and the machine\'s tag.',
    check: ({ type, inputs }) => {
      if (type !== KEY) return [];
      const expiryS = numberOf(at(inputs, "expiry"));
      return [
        ...(at(inputs, "reusable") === true ? ["The key is reusable."] : []),
        ...(expiryS === undefined || expiryS > KEY_S_MAX
          ? [`The key's expiry is ${shown(at(inputs, "expiry"))} (90 days when not stated).`]
          : []),
        ...(at(inputs, "recreateIfInvalid") === "always"
          ? ["The key is made anew at every update once it was used."]
          : []),
        ...(at(inputs, "tags") !== UNKNOWN && listAt(inputs, "tags").length === 0
          ? ["The key has no tag, so the machine would be a person's."]
          : []),
      ];
    },
  },
  {
    name: "tailnet-singletons",
    about: "safety",
    over: "resource",
    description: "Policy, DNS and settings of the tailnet belong to production's hub stack alone.",
    why: "There is one of each for the whole tailnet: two stacks would undo each other, and destroying one takes production's.",
    fix: "Take it out of this stack; staging uses the tag:stg-* that production has declared.",
    check: ({ type }, { role, staging }) =>
      SINGLETONS.test(type) && (role !== "hub" || staging)
        ? [`A ${staging ? "staging" : role} stack owns ${type}.`]
        : [],
  },
  {
    name: "tailnet-tags",
    about: "safety",
    over: "resource",
    description: "Staging machines carry tag:stg-*, production's never do.",
    why: "The tag is what the policy goes by: a staging machine with a production tag is in production.",
    fix: "Take the tag from infra/lib/names.ts, through stagingTag() in a staging stack.",
    check: ({ type, inputs }, { staging }) =>
      type === KEY
        ? listAt(inputs, "tags")
            .filter((tag) => tag !== UNKNOWN && shown(tag).startsWith("tag:stg-") !== staging)
            .map((tag) => `A ${staging ? "staging" : "production"} key carries ${shown(tag)}.`)
        : [],
  },
];
