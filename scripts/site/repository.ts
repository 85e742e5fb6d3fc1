// Where the repository is on the web, for links from the documents to its files: DOCS_REPOSITORY
// (`https://github.com/OWNER/tickhub`), or what GitHub's own runners say. Unknown elsewhere.

export const BRANCH = "main";

export function repositoryOf(env: NodeJS.ProcessEnv): string | undefined {
  const { DOCS_REPOSITORY, GITHUB_SERVER_URL, GITHUB_REPOSITORY } = env;
  if (DOCS_REPOSITORY) return DOCS_REPOSITORY.replace(/\/$/, "");
  return GITHUB_REPOSITORY ? `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}` : undefined;
}
