// Google's cloud, as far as the edge's stack meets it.
import { Refused, type Ask, type Behaviour } from "./behaviour.ts";
import { unique, type Cloud } from "./cloud.ts";
import { list, object, plainInputs, text, type Inputs, type Value } from "./values.ts";

const PROJECT = process.env["GOOGLE_PROJECT"] ?? "tickhub-simulated";
const API = "https://www.googleapis.com/compute/v1/";

const project = (inputs: Inputs): string => text(inputs["project"]) || PROJECT;
const last = (value: Value | undefined): string => text(value).split("/").at(-1) ?? "";

/** The resource's path in its API, which is its id. */
function id({ cloud, type, inputs }: Ask): string {
  const name = text(inputs["name"]);
  const at = `projects/${project(inputs)}`;
  switch (type.split(":")[2]) {
    case "Instance":
    case "Disk":
      return `${at}/zones/${last(inputs["zone"])}/${type.endsWith("Disk") ? "disks" : "instances"}/${name}`;
    case "Network":
    case "Firewall":
      return `${at}/global/${type.endsWith("Network") ? "networks" : "firewalls"}/${name}`;
    case "Subnetwork":
    case "Address":
      return `${at}/regions/${last(inputs["region"])}/${type.endsWith("Address") ? "addresses" : "subnetworks"}/${name}`;
    case "Secret":
      return `${at}/secrets/${text(inputs["secretId"])}`;
    case "SecretVersion": {
      const made = cloud
        .everything()
        .filter((one) => one.id.startsWith(`${text(inputs["secret"])}/versions/`));
      return `${text(inputs["secret"])}/versions/${made.length + 1}`;
    }
    case "Account":
      return `${at}/serviceAccounts/${text(inputs["accountId"])}@${project(inputs)}.iam.gserviceaccount.com`;
    case "Service":
      return `${project(inputs)}/${text(inputs["service"])}`;
    case "SecretIamMember":
    case "SecretIamBinding":
      return `${text(inputs["secretId"])}/${text(inputs["role"])}/${text(inputs["member"])}`;
    case "IAMMember":
      return `${project(inputs)}/${text(inputs["role"])}/${text(inputs["member"])}`;
    case "Budget":
      return `billingAccounts/${text(inputs["billingAccount"])}/budgets/${unique(12)}`;
    default:
      return `${at}/${type.split(":")[2]!}/${unique(12)}`;
  }
}

function outputs({ cloud, type, inputs }: Ask, id: string): Inputs {
  const creationTimestamp = cloud.now().toISOString();
  switch (type.split(":")[2]) {
    case "Secret":
    case "Budget":
    case "NotificationChannel":
      return { name: id };
    case "SecretVersion":
      return { name: id, version: id.split("/").at(-1)! };
    case "Account": {
      const email = `${text(inputs["accountId"])}@${project(inputs)}.iam.gserviceaccount.com`;
      return { name: id, email, member: `serviceAccount:${email}`, uniqueId: String(1e20) };
    }
    case "Instance":
      return {
        selfLink: API + id,
        instanceId: "4815162342108",
        currentStatus: "RUNNING",
        creationTimestamp,
        cpuPlatform: "Intel Broadwell",
      };
    default:
      return { selfLink: API + id, creationTimestamp };
  }
}

/** What can live in one place once only. */
function admit({ cloud, type, inputs, name }: Ask, existing?: { id: string }): void {
  if (existing) return;
  const taken = id({ cloud, type, inputs, name });
  if (cloud.get(taken) && !/Iam|IAM|Service$/.test(type))
    throw new Refused(
      `googleapi: Error 409: The resource '${taken}' already exists, alreadyExists`,
    );
  if (type.endsWith(":SecretVersion") && !cloud.get(text(inputs["secret"])))
    throw new Refused(`googleapi: Error 404: Secret [${text(inputs["secret"])}] not found.`);
}

const references = (value: Value | undefined, id: string): boolean =>
  text(value) !== "" &&
  (text(value) === id || text(value) === API + id || text(value) === last(id));

function release(cloud: Cloud, resource: { id: string; type: string }): undefined {
  const inUse = (type: string, of: (inputs: Inputs) => Value[]): void => {
    const user = cloud
      .all(type)
      .find((other) =>
        of(plainInputs(other.inputs)).some((value) => references(value, resource.id)),
      );
    if (user)
      throw new Refused(
        `googleapi: Error 400: The resource '${resource.id}' is already being used by '${user.id}', resourceInUseByAnotherResource`,
      );
  };
  const interfaces = (field: string) => (inputs: Inputs) =>
    list(inputs["networkInterfaces"]).map((one) => object(one)[field] ?? "");
  if (resource.type.endsWith(":Network")) {
    inUse("gcp:compute/subnetwork:Subnetwork", (inputs) => [inputs["network"] ?? ""]);
    inUse("gcp:compute/firewall:Firewall", (inputs) => [inputs["network"] ?? ""]);
    inUse("gcp:compute/instance:Instance", interfaces("network"));
  }
  if (resource.type.endsWith(":Subnetwork"))
    inUse("gcp:compute/instance:Instance", interfaces("subnetwork"));
  if (resource.type.endsWith(":Instance")) {
    const found = cloud.get(resource.id);
    if (found && plainInputs(found.inputs)["deletionProtection"] === true)
      throw new Refused(`googleapi: Error 400: Resource cannot be deleted if it's protected.`);
  }
  return undefined;
}

export const gcp: Behaviour = {
  autoName: (type) => (/^gcp:compute\//.test(type) ? "name" : undefined),
  id,
  admit,
  outputs,
  release,
  invoke(_cloud, token, args) {
    switch (token.split(":")[2]) {
      case "getImage":
        return {
          id: "image",
          name: `${text(args["family"])}-v20261110`,
          selfLink: `${API}projects/${text(args["project"])}/global/images/${text(args["family"])}-v20261110`,
        };
      case "getProject":
        return { id: PROJECT, projectId: PROJECT, number: "108108108108" };
      case "getClientConfig":
        return {
          id: "client",
          project: PROJECT,
          region: "us-west1",
          zone: "us-west1-b",
          accessToken: "",
        };
      default:
        throw new Refused(`The simulated gcp answers no ${token}.`);
    }
  },
};
