// The reference of the code, by TypeDoc, into the documents' site: `npm run docs:api`. Each file under app/ is a
// module with its opening paragraph as text; modules are grouped by folder, and a folder's text is that of the
// file that has its name. A comment that links to nothing fails it.
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { Application, Comment, CommentTag, Converter, ReflectionKind } from "typedoc";
import { BRANCH, repositoryOf } from "./site/repository.ts";
import type { Context, DeclarationReflection } from "typedoc";

const OUT = "docs/.vitepress/dist/reference";
/** Entry of a process, nothing to import; the page's script runs in a browser. */
const NOT_MODULES = ["app/cli/main.ts", "app/sim/main.ts"];

const files = globSync("app/**/*.ts")
  .filter((file) => !NOT_MODULES.includes(file) && !file.startsWith("app/hub/web/page/"))
  .sort();

const app = await Application.bootstrap({
  name: "tickhub: code reference",
  entryPoints: files,
  out: OUT,
  readme: "none",
  ...sourceLinks(),
  // `npm run tsc` is what checks types.
  skipErrorChecking: true,
  // What a class has from Node is in Node's own documents.
  excludeExternals: true,
  externalSymbolLinkMappings: { "@types/node": { "*": "#" } },
  hideGenerator: true,
  githubPages: false,
  // Modules are grouped by folder below.
  categorizeByGroup: false,
  navigation: { includeCategories: true, includeFolders: true },
  validation: { invalidLink: true, invalidPath: true, notExported: false, notDocumented: false },
  // `audit.md` is a file, not a host in Moldova.
  markdownItOptions: { linkify: false },
  navigationLinks: { Documents: process.env["DOCS_BASE"] ?? "/" },
  treatWarningsAsErrors: true,
  logLevel: "Warn",
});
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, describeModules);

const project = await app.convert();
if (project) {
  app.validate(project);
  if (!app.logger.hasErrors() && !app.logger.hasWarnings()) await app.generateOutputs(project);
}
if (!project || app.logger.hasErrors() || app.logger.hasWarnings()) {
  console.error("docs:api: failed. Next: mend the comments that the lines above name.");
  process.exit(1);
}
console.error(`docs:api: ${files.length} modules in ${OUT}`);

/** Gives modules and folders their texts. */
function describeModules({ project }: Context): void {
  const folders = new Map<string, string>();
  for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
    const file = fileOf(module);
    const folder = dirname(file);
    module.comment = new Comment([{ kind: "text", text: openingOf(file) }]);
    module.comment.blockTags.push(new CommentTag("@category", [{ kind: "text", text: folder }]));
    const namesake = `${folder}/${basename(folder)}.ts`;
    const beside = `${folder}.ts`;
    const main = [namesake, beside].find((one) => existsSync(one));
    if (main) folders.set(folder, openingOf(main));
  }
  project.comment = new Comment([
    { kind: "text", text: "What each folder may import: ARCHITECTURE.md, the map." },
  ]);
  for (const [folder, text] of folders)
    project.comment.blockTags.push(
      new CommentTag("@categoryDescription", [{ kind: "text", text: `${folder}\n${text}` }]),
    );
}

/** A module is named by its path below app/, which all entry points have in common. */
function fileOf(module: DeclarationReflection): string {
  return `app/${module.name}.ts`;
}

/** The paragraph with which a file opens. */
function openingOf(file: string): string {
  const lines = readFileSync(file, "utf8").split("\n");
  if (lines[0]!.startsWith("#!")) lines.shift();
  const end = lines.findIndex((line) => !line.startsWith("//"));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ""))
    .join("\n");
}

/** Sources are shown in the repository, where its address is known. */
function sourceLinks():
  { disableSources: true } | { disableGit: true; sourceLinkTemplate: string } {
  const repository = repositoryOf(process.env);
  return repository === undefined
    ? { disableSources: true }
    : { disableGit: true, sourceLinkTemplate: `${repository}/blob/${BRANCH}/{path}#L{line}` };
}
