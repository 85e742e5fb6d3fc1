// Who asks Google: the application default credentials, by Google's own library, or an access token that the caller
// has got from gcloud. The library is no part of what `npm start` installs, so it is loaded when it is needed and
// there (docs/adr/0027).
import { CredentialsError } from "../credentials.ts";

/** Secret Manager's lists take no narrower one; what the caller may do is decided by roles (docs/audit.md). */
const SCOPES = ["https://www.googleapis.com/auth/cloud-platform"];

export interface GoogleLogin {
  token(): Promise<string>;
}

/** The part of google-auth-library that is used. */
interface Library {
  GoogleAuth: new (options: object) => { getAccessToken(): Promise<string | null | undefined> };
}

/**
 * `base`: the vendors' address with `{service}` in it, for tests. Throws CredentialsError with what is missing.
 */
export async function googleLogin(
  accessToken: string | undefined,
  base: string | undefined,
): Promise<GoogleLogin> {
  if (accessToken !== undefined) return { token: () => Promise.resolve(accessToken) };
  const { GoogleAuth } = await library();
  const clientOptions =
    base === undefined
      ? {}
      : {
          clientOptions: {
            endpoints: { oauth2TokenUrl: `${base.replace("{service}", "oauth2")}/token` },
          },
        };
  const auth = new GoogleAuth({ scopes: SCOPES, ...clientOptions });
  let first: string | null | undefined;
  try {
    first = await auth.getAccessToken();
  } catch (error) {
    throw new CredentialsError(error instanceof Error ? error.message : String(error));
  }
  if (!first) throw new CredentialsError("Google gave no access token");
  return {
    async token() {
      // The library renews it when it is due.
      return (await auth.getAccessToken()) ?? "";
    },
  };
}

async function library(): Promise<Library> {
  try {
    return await import("google-auth-library");
  } catch (error) {
    throw new CredentialsError(
      "google-auth-library is not installed: it comes with `npm ci`, or set GOOGLE_OAUTH_ACCESS_TOKEN to what `gcloud auth print-access-token` prints",
      { cause: error },
    );
  }
}
