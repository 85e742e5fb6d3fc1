// What a vendor's refusal means for the person who ran the audit, and what to do next. Pure.
import type { AskError, Fault } from "./ask.ts";
import type { Finding } from "./finding.ts";

/** A vendor's own next steps: for credentials that are not accepted, and for rights that are lacking. */
export interface Advice {
  signIn: string;
  rights: string;
  /** Where the vendor tells of its outages. */
  statusPage: string;
}

/** A question of the audit that was not answered. */
export interface Unanswered {
  what: string;
  error: AskError;
}

const MEANS: Record<Fault, string> = {
  unauthorised: "the credentials are not accepted",
  forbidden: "the credentials are good and lack the right to see this",
  missing: "there is no such thing, or the credentials may not see it",
  slow_down: "too many requests",
  vendor_down: "a fault of the vendor's own",
  refused: "the request is not one the vendor takes; its API has changed or a name is wrong",
  timeout: "too slow, or a firewall swallows the request",
  unreachable: "no way from this machine to the vendor",
  cut_short: "what came of it is not used",
  too_big: "not an account of this size",
  too_many_pages: "not an account of this size; what came of it is not used",
  not_json: "something between this machine and the vendor answers in its place",
};

/** The vendor's words, what they mean, and the next step. */
export function explained(
  { message, fault, waitS }: AskError,
  advice: Advice,
): { found: string; next: string } {
  return { found: `${message} (${MEANS[fault]})`, next: nextOf(fault, waitS, advice) };
}

function nextOf(fault: Fault, waitS: number | undefined, advice: Advice): string {
  switch (fault) {
    case "unauthorised":
      return advice.signIn;
    case "forbidden":
    case "missing":
      return advice.rights;
    case "slow_down":
      return `Wait ${waitS ?? 60} s, then run it again.`;
    case "vendor_down":
      return `Run it again in some minutes; ${advice.statusPage} tells of outages.`;
    case "unreachable":
    case "timeout":
      return "Check this machine's way to the internet (and the region's name), then run it again.";
    case "not_json":
      return "Sign in to the network (a hotel's page, a company's proxy), then run it again.";
    case "cut_short":
      return "Run it again.";
    case "too_big":
    case "too_many_pages":
      return "Look in the vendor's console what fills the account; the audit counts nothing by halves.";
    case "refused":
      return "Check the names in the settings; if they are right, report it as a bug of tickhub.";
  }
}

/** Questions that failed in the same way are one finding, with the first one's words. */
export function unansweredFindings(
  section: Finding["section"],
  unanswered: readonly Unanswered[],
  advice: Advice,
): Finding[] {
  const groups = Map.groupBy(unanswered, ({ error }) => `${error.fault} ${error.status ?? ""}`);
  return [...groups.values()].map((group) => {
    const { error } = group[0]!;
    const { found, next } = explained(error, advice);
    // A right that is lacking hides a line; anything else means that nothing is known, and does not pass.
    const hidden = ["unauthorised", "forbidden", "missing"].includes(error.fault);
    const what = [...new Set(group.map((each) => each.what))].join(", ");
    return {
      section,
      check: "unanswered",
      level: hidden ? "note" : "fail",
      found: `${what}: ${found}`,
      next,
    };
  });
}
