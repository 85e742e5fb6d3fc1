// What the hub's VM shall run, as one JSON object: images by digest, the compose file that starts them, and
// its settings. No time is in it, so the same input is the same text and an unchanged release is no change.

export interface ReleasePlan {
  stack: string;
  version: string;
  images: { hub: string; database: string };
  /** Text of images/compose.yaml. */
  compose: string;
  settings: Readonly<Record<string, string>>;
  /** Why collector or hub may be restarted within a trading session; normally null. */
  force: string | null;
}

/** Keys in a fixed order, settings by name; the VM's agent reads format 1. */
export function releaseText(plan: ReleasePlan): string {
  const settings = Object.entries(plan.settings).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({
    format: 1,
    stack: plan.stack,
    version: plan.version,
    images: { hub: plan.images.hub, database: plan.images.database },
    compose: plan.compose,
    settings: Object.fromEntries(settings),
    force: plan.force,
  });
}
