// The roll-out against a server that starts the new container before it stops the old one, as Northflank does.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sessionNow } from "../../infra/lib/quiet-hours.ts";
import { northflankApi, NorthflankError } from "../../infra/northflank/api.ts";
import type { NorthflankApi, Service, ServiceSpec } from "../../infra/northflank/api.ts";
import { UNKNOWN } from "../../infra/northflank/compare.ts";
import { deleteRegistry, diffRegistry, putRegistry } from "../../infra/northflank/registry.ts";
import { untilReady } from "../../infra/northflank/rollout.ts";
import {
  deleteSecretGroup,
  diffSecretGroup,
  putSecretGroup,
  readSecretGroup,
} from "../../infra/northflank/secret-group.ts";
import {
  checkService,
  createService,
  deleteService,
  diffService,
  diffServiceLive,
  readService,
  updateService,
} from "../../infra/northflank/service.ts";
import type { ServiceInputs, ServiceState } from "../../infra/northflank/service.ts";
import { NorthflankFake } from "./support/northflank-fake.ts";
import { VirtualClock } from "./support/virtual-clock.ts";

const image = (digit: string, name = "edge") =>
  `ghcr.io/someone/tickhub/${name}@sha256:${digit.repeat(64)}`;

const spec = (imagePath: string, plan = "nf-compute-10"): ServiceSpec => ({
  name: "kis",
  billing: { deploymentPlan: plan },
  deployment: {
    instances: 1,
    external: { imagePath },
    docker: { configType: "default" },
    gracePeriodSeconds: 180,
  },
  ports: [],
  runtimeEnvironment: { TICKHUB_EDGE_ID: "kis" },
  healthChecks: [],
});

let clock: VirtualClock;
let fake: NorthflankFake;
let api: NorthflankApi;
let apiUrl: string;
let told: string[];

const inputs = (imagePath: string, plan?: string): ServiceInputs => ({
  projectId: "tickhub",
  apiUrl,
  spec: spec(imagePath, plan),
});
const connect = (token = fake.settings.token, projectId = "tickhub") =>
  northflankApi({ url: apiUrl, projectId, token, clock, tell: (line) => void told.push(line) });
const create = (imagePath: string) => createService(api, clock, inputs(imagePath));
const update = (olds: ServiceState, imagePath: string, plan?: string) =>
  updateService(api, clock, olds, inputs(imagePath, plan));

beforeEach(async () => {
  clock = new VirtualClock();
  fake = new NorthflankFake(() => clock.nowMs());
  apiUrl = await fake.listen();
  told = [];
  api = connect();
});

afterEach(async () => {
  await fake.close();
});

describe("the server of these tests", () => {
  it("lets two containers live when a spec is put without a pause, or this file proves nothing", async () => {
    await create(image("1"));
    await api.putService(spec(image("2")));
    clock.advance(60_000);
    expect(fake.liveMax()).toBe(2);
    expect(fake.running("kis")).toEqual([image("2")]);
  });

  it("lets two containers live when a secret is put without a pause", async () => {
    await create(image("1"));
    await api.putSecretGroup({
      name: "kis-secrets",
      secretType: "environment",
      priority: 10,
      restrictions: { restricted: true, nfObjects: [{ id: "kis", type: "service" }] },
      secrets: { variables: {} },
    });
    expect(fake.liveMax()).toBe(2);
  });
});

describe("a service", () => {
  it("is created, and runs and is ready when create returns", async () => {
    const state = await create(image("1"));
    expect(state).toEqual({ ...inputs(image("1")), serviceId: "kis", isRunning: true });
    expect(fake.running("kis")).toEqual([image("1")]);
  });

  it("is rolled without two containers at any moment", async () => {
    const olds = await create(image("1"));
    const state = await update(olds, image("2"));
    expect(state.spec.deployment.external.imagePath).toBe(image("2"));
    expect(fake.running("kis")).toEqual([image("2")]);
    expect(fake.liveMax()).toBe(1);
  });

  it("that takes minutes to drain is waited for", async () => {
    const olds = await create(image("1"));
    fake.settings.drainMs = 170_000;
    await update(olds, image("2"));
    expect(fake.running("kis")).toEqual([image("2")]);
    expect(fake.liveMax()).toBe(1);
  });

  it("that exists before it is created, as after an interrupted up, is rolled and not doubled", async () => {
    await create(image("1"));
    await create(image("2"));
    expect(fake.running("kis")).toEqual([image("2")]);
    expect(fake.liveMax()).toBe(1);
  });

  it("runs its old spec again when the new one is refused", async () => {
    const olds = await create(image("1"));
    const refused = update(olds, image("2"), fake.settings.refusedPlan);
    await expect(refused).rejects.toThrow(
      /answered 400 to PUT .*Invalid plan.*The old spec of kis runs again/s,
    );
    expect(fake.running("kis")).toEqual([image("1")]);
    expect(fake.liveMax()).toBe(1);
  });

  it("runs its old spec again when it does not stop in time", async () => {
    const olds = await create(image("1"));
    fake.settings.drainMs = 3_600_000;
    const stuck = update(olds, image("2"));
    await expect(stuck).rejects.toThrow(/still has a container 390 s after it was paused/);
    expect(fake.services.get("kis")).toMatchObject({ isPaused: false, spec: spec(image("1")) });
    expect(fake.requests.filter((one) => one.startsWith("PUT"))).toHaveLength(1);
  });

  it("that does not come up is in the state with its new spec, marked as failed to start", async () => {
    const olds = await create(image("1"));
    const broken = image("2", "broken");
    const error: unknown = await update(olds, broken).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      message: expect.stringContaining("did not become ready") as string,
      id: "kis",
      properties: { ...inputs(broken), serviceId: "kis", isRunning: false },
    });
    // The next up, with an image that works.
    await update({ ...olds, ...inputs(broken) }, image("3"));
    expect(fake.running("kis")).toEqual([image("3")]);
    expect(fake.liveMax()).toBe(1);
  });

  it.each(["pause", "containers", "PUT", "resume"])(
    "cut off at its %s is brought up by the next update",
    async (step) => {
      const olds = await create(image("1"));
      // Work is done, the answer never comes, and neither does the rest of this process.
      fake.faults.push({ match: step, status: 400, times: 1, after: true });
      const lives = { ...api, resume: () => Promise.reject(new Error("killed")) };
      await updateService(lives, clock, olds, inputs(image("2"))).catch(() => undefined);
      fake.faults.length = 0;
      await update(olds, image("2"));
      expect(fake.running("kis")).toEqual([image("2")]);
      expect(fake.liveMax()).toBe(1);
    },
  );

  it("is not taken for failed by a failure from before the change", async () => {
    const statuses = [
      ["FAILED", "before"],
      ["FAILED", "before"],
      ["IN_PROGRESS", "now"],
      ["COMPLETED", "now"],
    ];
    const lives = {
      ...api,
      service: () => {
        const [status, lastTransitionTime] = statuses.shift() ?? [];
        const deployment = { status, lastTransitionTime };
        return Promise.resolve({ id: "kis", name: "kis", status: { deployment } } as Service);
      },
      containers: () => Promise.resolve([{ name: "kis-1", status: "TASK_RUNNING" } as const]),
    };
    await untilReady(lives, clock, "kis", "before");
    expect(statuses).toEqual([]);
    statuses.push(["FAILED", "now"]);
    await expect(untilReady(lives, clock, "kis", "before")).rejects.toThrow(/did not become ready/);
  });

  it("is drained before it is deleted, and deleting it again does nothing", async () => {
    const state = await create(image("1"));
    await deleteService(api, clock, state);
    const verbs = fake.requests.filter((one) => !one.startsWith("GET"));
    expect(verbs.slice(-2)).toEqual([
      "POST /v1/projects/tickhub/services/kis/pause",
      "DELETE /v1/projects/tickhub/services/kis",
    ]);
    await deleteService(api, clock, state);
    expect(fake.services.size).toBe(0);
  });

  it("is read as it is: running, paused by hand, gone", async () => {
    const state = await create(image("1"));
    expect(await readService(api, state)).toMatchObject({ isRunning: true });
    await api.pause("kis");
    clock.advance(60_000);
    expect(await readService(api, state)).toMatchObject({ isRunning: false });
    await api.deleteService("kis");
    expect(await readService(api, state)).toBeNull();
  });
});

describe("in a trading session", () => {
  /** Monday, 10:00 in Korea. */
  const SESSION_MS = Date.parse("2026-11-23T10:00:00+09:00");
  const waitFor = (ms: number) => clock.advance(ms - clock.nowMs());

  it("a running service is left alone, and the message says until when", async () => {
    const olds = await create(image("1"));
    waitFor(SESSION_MS);
    fake.requests.length = 0;
    await expect(update(olds, image("2"))).rejects.toThrow(
      /kis is not restarted now: KRX trades, or is about to, until 15:30 in Korea.*config set force/,
    );
    const group = { projectId: "tickhub", apiUrl, name: "kis-secrets", serviceName: "kis" };
    const secrets = putSecretGroup(api, clock, { ...group, variables: {} });
    await expect(secrets).rejects.toThrow(/not restarted now/);
    expect(fake.requests.filter((one) => !one.startsWith("GET"))).toEqual([]);
  });

  it("it is rolled for a reason", async () => {
    const olds = await create(image("1"));
    waitFor(SESSION_MS);
    const forced = { ...inputs(image("2")), force: "the feed is stuck since 09:40" };
    await updateService(api, clock, olds, forced);
    expect(fake.running("kis")).toEqual([image("2")]);
    expect(diffService({ ...olds, ...forced }, inputs(image("2")))).toMatchObject({
      changes: false,
    });
  });

  it("one that does not run is brought up, and a new one is created", async () => {
    const olds = await create(image("1"));
    await api.pause("kis");
    waitFor(SESSION_MS);
    await update(olds, image("2"));
    expect(fake.running("kis")).toEqual([image("2")]);
  });

  it.each([
    ["2026-11-23T08:49:00+09:00", null],
    ["2026-11-23T08:51:00+09:00", "15:30"],
    ["2026-11-23T15:29:00+09:00", "15:30"],
    ["2026-11-23T15:31:00+09:00", null],
    ["2026-11-22T10:00:00+09:00", null],
    ["2026-12-25T10:00:00+09:00", null],
  ])("the hours are those of KRX: %s", (at, until) => {
    const session = sessionNow(Date.parse(at));
    if (until === null) expect(session).toBeNull();
    else expect(session).toContain(`until ${until}`);
  });
});

describe("the difference of a service", () => {
  const olds = (): ServiceState => ({ ...inputs(image("1")), serviceId: "kis", isRunning: true });

  it("is none for the same inputs, whatever the order of their keys", () => {
    const { spec: same, ...rest } = inputs(image("1"));
    const shuffled = Object.fromEntries(Object.entries(same).reverse()) as unknown as ServiceSpec;
    expect(diffService(olds(), { ...rest, spec: shuffled })).toMatchObject({ changes: false });
  });

  it("is none for another way to the same API", () => {
    const elsewhere = { ...inputs(image("1")), apiUrl: "http://127.0.0.1:1" };
    expect(diffService(olds(), elsewhere)).toMatchObject({ changes: false, replaces: [] });
  });

  it("is an update for a new image, known or not yet known", () => {
    expect(diffService(olds(), inputs(image("2")))).toMatchObject({ changes: true, replaces: [] });
    expect(diffService(olds(), inputs(UNKNOWN))).toMatchObject({ changes: true, replaces: [] });
    const unknown = { ...inputs(""), spec: UNKNOWN as unknown as ServiceSpec };
    expect(diffService(olds(), unknown)).toMatchObject({ changes: true, replaces: [] });
  });

  it("is a replacement for another name, and the old one goes first", () => {
    const named = inputs(image("1"));
    named.spec.name = "kis2";
    const difference = diffService(olds(), named);
    expect(difference).toEqual({ changes: true, replaces: ["spec"], deleteBeforeReplace: true });
  });

  it("is an update after a refresh that found it paused", () => {
    const paused = { ...olds(), isRunning: false };
    expect(diffService(paused, inputs(image("1")))).toMatchObject({ changes: true });
  });

  it("sees a service that is gone, left paused, failed, or runs another image, without a refresh", async () => {
    const state = await create(image("1"));
    const isChanged = async () => (await diffServiceLive(api, state, inputs(image("1")))).changes;
    expect(await isChanged()).toBe(false);
    await api.pause("kis");
    clock.advance(60_000);
    expect(await isChanged()).toBe(true);
    await update(state, image("1"));
    expect(await isChanged()).toBe(false);
    await api.putService(spec(image("2")));
    expect(await isChanged()).toBe(true);
    await api.deleteService("kis");
    expect(await isChanged()).toBe(true);
  });

  it("is that of the inputs while Northflank does not answer", async () => {
    const state = await create(image("1"));
    await fake.close();
    expect(await diffServiceLive(api, state, inputs(image("1")))).toMatchObject({ changes: false });
  });
});

describe("the check of a service", () => {
  const failuresOf = (change: (spec: ServiceSpec) => void) => {
    const wanted = inputs(image("1"));
    change(wanted.spec);
    return checkService(wanted).map((failure) => failure.property);
  };

  it("takes a good one, also with an image that is not known yet", () => {
    expect(failuresOf(() => undefined)).toEqual([]);
    expect(failuresOf((one) => (one.deployment.external.imagePath = UNKNOWN))).toEqual([]);
  });

  it.each([
    "ghcr.io/someone/tickhub/edge:latest",
    `ghcr.io/someone/tickhub/edge:v1@sha256:${"1".repeat(64)}`,
    "ghcr.io/someone/tickhub/edge@sha256:12",
  ])("refuses the image %s", (path) => {
    expect(failuresOf((one) => (one.deployment.external.imagePath = path))).toEqual([
      "spec.deployment.external.imagePath",
    ]);
  });

  it("takes a registry with a port", () => {
    const path = `127.0.0.1:5000/tickhub/edge@sha256:${"1".repeat(64)}`;
    expect(failuresOf((one) => (one.deployment.external.imagePath = path))).toEqual([]);
  });

  it("refuses a second instance, a public port, a short grace period, a bad name", () => {
    const instances = failuresOf((one) => (one.deployment.instances = 2));
    expect(instances).toEqual(["spec.deployment.instances"]);
    const port = { name: "p", internalPort: 8620, public: true, protocol: "HTTP" } as const;
    expect(failuresOf((one) => one.ports.push(port))).toEqual(["spec.ports"]);
    const grace = failuresOf((one) => (one.deployment.gracePeriodSeconds = 10));
    expect(grace).toEqual(["spec.deployment.gracePeriodSeconds"]);
    expect(failuresOf((one) => (one.name = "-k"))).toEqual(["spec.name"]);
  });
});

describe("a secret group", () => {
  const group = (variables: Record<string, string>) => ({
    ...{ projectId: "tickhub", apiUrl, name: "kis-secrets", serviceName: "kis", variables },
  });

  it("belongs to its service alone", async () => {
    const state = await putSecretGroup(api, clock, group({ KIS_APP_KEY: "key" }));
    expect(state.groupId).toBe("kis-secrets");
    expect(fake.groups.get("kis-secrets")?.restrictions).toEqual({
      restricted: true,
      nfObjects: [{ id: "kis", type: "service" }],
    });
  });

  it("changes while its service has no container, which then runs again", async () => {
    await create(image("1"));
    await putSecretGroup(api, clock, group({ KIS_APP_KEY: "key" }));
    await putSecretGroup(api, clock, group({ KIS_APP_KEY: "other" }));
    expect(fake.running("kis")).toEqual([image("1")]);
    expect(fake.liveMax()).toBe(1);
  });

  it("is put although its service does not come up: the service's own update may mend that", async () => {
    await createService(api, clock, inputs(image("1", "broken"))).catch(() => undefined);
    const state = await putSecretGroup(api, clock, group({ KIS_APP_KEY: "key" }));
    expect(state.variables).toEqual({ KIS_APP_KEY: "key" });
  });

  it("differs by its variables, and is replaced for another name or service", async () => {
    const state = await putSecretGroup(api, clock, group({ KIS_APP_KEY: "key" }));
    expect(diffSecretGroup(state, group({ KIS_APP_KEY: "key" }))).toMatchObject({ changes: false });
    expect(diffSecretGroup(state, group({}))).toMatchObject({ changes: true, replaces: [] });
    const moved = { ...group({ KIS_APP_KEY: "key" }), serviceName: "kiwoom" };
    expect(diffSecretGroup(state, moved)).toMatchObject({ replaces: ["serviceName"] });
  });

  it("is noticed when it is gone, and may be deleted twice", async () => {
    const state = await putSecretGroup(api, clock, group({}));
    await deleteSecretGroup(api, state);
    await deleteSecretGroup(api, state);
    expect(await readSecretGroup(api, state)).toBeNull();
  });
});

describe("a registry login", () => {
  const login = (password: string) => ({
    ...{ projectId: "tickhub", apiUrl, name: "tickhub-registry", address: "ghcr.io" },
    ...{ username: "someone", password },
  });

  it("is added once, overwritten after that, and deleted", async () => {
    const state = await putRegistry(api, login("first"));
    await putRegistry(api, login("second"));
    expect(fake.registries.size).toBe(1);
    expect(fake.registries.get("tickhub-registry")).toMatchObject({
      credentials: { password: "second", scope: { pull: true, push: false } },
      restrictions: { restricted: true, projects: ["tickhub"] },
    });
    expect(diffRegistry(state, login("second"))).toMatchObject({ changes: true, replaces: [] });
    await deleteRegistry(api, state);
    expect(fake.registries.size).toBe(0);
  });
});

describe("a request", () => {
  it("is repeated after a server's error, and says so", async () => {
    fake.faults.push({ match: "PUT", status: 503, times: 3 });
    await create(image("1"));
    expect(fake.running("kis")).toEqual([image("1")]);
    expect(told[0]).toBe(
      "Northflank: 503 to PUT /v1/projects/tickhub/services/deployment, again in 1 s",
    );
  });

  it("is given up after six attempts, with the next step", async () => {
    fake.faults.push({ match: "services/kis", status: 502, times: 100 });
    await expect(create(image("1"))).rejects.toThrow(
      /answered 502 to GET .*services\/kis.*See status\.northflank\.com/,
    );
    expect(fake.requests).toHaveLength(6);
  });

  it("whose creation was perhaps done is not repeated", async () => {
    fake.faults.push({ match: "POST", status: 500, times: 1, after: true });
    const registry = { projectId: "tickhub", apiUrl, name: "tickhub-registry" };
    const login = { ...registry, address: "ghcr.io", username: "someone", password: "password" };
    await expect(putRegistry(api, login)).rejects.toThrow(/500/);
    await putRegistry(api, login);
    expect(fake.registries.size).toBe(1);
  });

  it("waits as long as the limit says", async () => {
    const headers = { "retry-after": "120" };
    fake.faults.push({ match: "GET", status: 429, times: 1, headers });
    const beforeMs = clock.nowMs();
    expect(await api.service("kis")).toBeNull();
    expect(clock.nowMs() - beforeMs).toBe(120_000);
  });

  it("that the limit holds up beyond a quarter of an hour is given up, with the reason", async () => {
    fake.faults.push({ match: "GET", status: 429, times: 9, headers: { "retry-after": "600" } });
    await expect(api.service("kis")).rejects.toThrow(/1,000 requests an hour/);
  });

  it("of a roll-out that takes its longest stays within the hour's limit for two services", async () => {
    const olds = await create(image("1"));
    fake.requests.length = 0;
    fake.settings.startMs = 590_000;
    fake.settings.drainMs = 300_000;
    await update(olds, image("2"));
    expect(fake.requests.length).toBeLessThan(150);
  });

  it("without rights names the token, not its value", async () => {
    const error: unknown = await connect("a-wrong-token")
      .service("kis")
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NorthflankError);
    expect(String(error)).toMatch(/answered 401 .*Make an API token/);
    expect(String(error)).not.toContain("a-wrong-token");
  });

  it("to another project says which", async () => {
    const other = connect(fake.settings.token, "elsewhere");
    await expect(other.putService(spec(image("1")))).rejects.toThrow(/project elsewhere exist/);
  });

  it("repeats no secret that the server sends back", async () => {
    const secret = 'app"key-of-the-account';
    const group = { projectId: "tickhub", apiUrl, name: "kis-secrets", serviceName: "kis" };
    fake.settings.isEchoing = true;
    const error: unknown = await putSecretGroup(api, clock, {
      ...group,
      variables: { KIS_APP_KEY: secret },
    }).catch((caught: unknown) => caught);
    expect(String(error)).toContain("[redacted]");
    expect(String(error)).not.toMatch(/app\\*"key-of-the-account/);
  });

  it("to nobody says what could not be reached", async () => {
    await fake.close();
    await expect(api.service("kis")).rejects.toThrow(/did not answer .*Can this machine reach/);
  });
});
