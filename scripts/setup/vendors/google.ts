// Google Cloud, as far as the wizard asks it: is there a login, is the project there and has it a billing account
// (without one no machine starts, free or not), which image to run.
import { GoogleAuth } from "google-auth-library";
import { call, said } from "./call.ts";
import { fill } from "./endpoints.ts";

export interface Project {
  projectId: string;
  /** Full name, for the stack's config. */
  image: string;
}

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

/**
 * What the application default credentials see of `projectId`, or why not.
 * Sources: https://cloud.google.com/resource-manager/reference/rest, /billing/docs/reference/rest, /compute/docs/reference/rest/v1/images
 */
export async function readProject(endpoint: string, projectId: string): Promise<Project | string> {
  let token: string | null | undefined;
  try {
    const oauth2TokenUrl = `${fill(endpoint, { service: "oauth2" })}/token`;
    const clientOptions = { endpoints: { oauth2TokenUrl } };
    token = await new GoogleAuth({ scopes: [SCOPE], clientOptions }).getAccessToken();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const headers = { authorization: `Bearer ${token}` };
  const get = (service: string, path: string) =>
    call(fill(endpoint, { service }) + path, { headers });
  const project = await get("cloudresourcemanager", `/v1/projects/${projectId}`);
  if (project.status !== 200) return said(project);
  if ((project.json as { lifecycleState: string }).lifecycleState !== "ACTIVE") {
    return `${projectId} is not active`;
  }
  const billing = await get("cloudbilling", `/v1/projects/${projectId}/billingInfo`);
  if (billing.status !== 200) return said(billing);
  if (!(billing.json as { billingEnabled?: boolean }).billingEnabled) {
    return `${projectId} has no billing account: no machine starts without one, although nothing is billed`;
  }
  const image = await get(
    "compute",
    `/compute/v1/projects/debian-cloud/global/images/family/debian-12`,
  );
  if (image.status !== 200) return said(image);
  const name = (image.json as { name: string }).name;
  return { projectId, image: `projects/debian-cloud/global/images/${name}` };
}
