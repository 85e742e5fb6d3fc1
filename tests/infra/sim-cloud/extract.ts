// Writes tables/*.json: what each resource type of the four providers takes and gives, from what the
// makers publish. Names, types and which inputs are required come from the declarations in the npm packages
// (`FooArgs`), secret outputs from their JavaScript. Whether a change of an input replaces the resource is
// not in the declarations' types; it comes from
// - oci: the documentation in the same declarations: Oracle marks what an update may change "(Updatable)",
//   "any change to a property that does not support update will force the destruction and recreation";
// - gcp: "Changing this forces a new resource to be created" in the same place;
// - tailscale and docker, and where the text is wrong: upstream.ts, read in the providers' source.
// Run `node tests/infra/sim-cloud/extract.ts` after a package's version has changed; `--check` compares only.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "prettier";
import ts from "typescript";
import type { InputType, ResourceTable, Table } from "./table.ts";
import { CLASSES, UPSTREAM } from "./upstream.ts";

const here = import.meta.dirname;
const packageFolder = (name: string): string =>
  fileURLToPath(new URL(".", import.meta.resolve(`@pulumi/${name}/package.json`)));

type Members = ts.NodeArray<ts.TypeElement>;

/** Interfaces of types/input.d.ts by their full name, `Core.InstanceShapeConfig`. */
function inputTypes(folder: string): Map<string, Members> {
  const file = join(folder, "types/input.d.ts");
  const found = new Map<string, Members>();
  if (!existsSync(file)) return found;
  const visit = (prefix: string) => (node: ts.Node) => {
    if (ts.isInterfaceDeclaration(node)) found.set(prefix + node.name.text, node.members);
    else if (ts.isModuleDeclaration(node) && node.body && ts.isModuleBlock(node.body))
      node.body.forEachChild(visit(`${prefix}${node.name.text}.`));
  };
  parse(file).forEachChild(visit(""));
  return found;
}

const parse = (file: string): ts.SourceFile =>
  ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);

const MAP_PRIMITIVES = new Map<ts.SyntaxKind, InputType>([
  [ts.SyntaxKind.StringKeyword, "string"],
  [ts.SyntaxKind.NumberKeyword, "number"],
  [ts.SyntaxKind.BooleanKeyword, "boolean"],
]);

/** What stands inside `pulumi.Input<…>`, without `undefined`; of a list its element, of objects their name. */
function shape(node: ts.TypeNode): { type: InputType; of?: string } {
  if (ts.isUnionTypeNode(node)) {
    const rest = node.types.filter((type) => type.kind !== ts.SyntaxKind.UndefinedKeyword);
    return rest.length === 1 ? shape(rest[0]!) : { type: "any" };
  }
  if (ts.isArrayTypeNode(node)) {
    const { of } = shape(node.elementType);
    return { type: "list", ...(of !== undefined && { of }) };
  }
  if (ts.isTypeLiteralNode(node)) return { type: "map" };
  if (ts.isTypeReferenceNode(node)) {
    const name = node.typeName.getText();
    if (name === "pulumi.Input") return shape(node.typeArguments![0]!);
    if (name.startsWith("inputs.")) return { type: "object", of: name.slice("inputs.".length) };
  }
  return { type: MAP_PRIMITIVES.get(node.kind) ?? "any" };
}

/** Says of an input by its documentation whether changing it replaces the resource. */
const FORCE_NEW: Record<string, (doc: string) => boolean> = {
  oci: (doc) => !/^[\s*/]*(?:\*\*)?\(Updatable/.test(doc),
  gcp: (doc) => /forces? a new resource|forces? (?:the )?re-?creat/i.test(doc),
};

function walk(
  provider: string,
  members: Members,
  types: Map<string, Members>,
  prefix: string,
  into: ResourceTable,
): void {
  for (const member of members) {
    if (!ts.isPropertySignature(member) || member.type === undefined) continue;
    const path = prefix + member.name.getText();
    const { type, of } = shape(member.type);
    into.inputs[path] = type;
    if (member.questionToken === undefined) into.required.push(path);
    const doc = ts
      .getJSDocCommentsAndTags(member)
      .map((part) => part.getText())
      .join("\n");
    if (FORCE_NEW[provider]?.(doc) === true) into.forceNew.push(path);
    const nested = of === undefined ? undefined : types.get(of);
    // A type that contains itself is let in unseen below its third level.
    if (nested && path.split(".").length < 5) walk(provider, nested, types, `${path}.`, into);
  }
}

function extractClass(provider: string, name: string, types: Map<string, Members>) {
  const folder = packageFolder(provider);
  const parts = name.split(".");
  const className = parts.at(-1)!;
  const module = join(folder, ...parts.slice(0, -1));
  // `projects.IAMMember` is in iammember.d.ts.
  const named = readdirSync(module).find(
    (entry) => entry.toLowerCase() === `${className.toLowerCase()}.d.ts`,
  );
  if (named === undefined) throw new Error(`${provider} has no ${name}.`);
  const file = join(module, named.slice(0, -".d.ts".length));
  const table: ResourceTable = {
    inputs: {},
    required: [],
    forceNew: [],
    outputs: [],
    secretOutputs: [],
  };
  parse(`${file}.d.ts`).forEachChild((node) => {
    if (ts.isInterfaceDeclaration(node) && node.name.text === `${className}Args`)
      walk(provider, node.members, types, "", table);
    if (ts.isClassDeclaration(node) && node.name?.text === className)
      for (const member of node.members)
        if (ts.isPropertyDeclaration(member) && !/static|private/.test(member.getText()))
          table.outputs.push(member.name.getText());
  });
  const js = readFileSync(`${file}.js`, "utf8");
  const token = /__pulumiType = '([^']+)'/.exec(js)![1]!;
  const secrets = /additionalSecretOutputs: (\[[^\]]*\])/.exec(js)?.[1];
  if (secrets !== undefined) table.secretOutputs = JSON.parse(secrets) as string[];
  const upstream = UPSTREAM[token];
  if (upstream) {
    const under = (upstream.forceNew ?? []).flatMap((path) => [
      path,
      ...Object.keys(table.inputs).filter((input) => input.startsWith(`${path}.`)),
    ]);
    table.forceNew = [...new Set([...table.forceNew, ...under])].filter(
      (path) => upstream.updatable?.includes(path) !== true,
    );
    table.upstream = upstream.source;
  }
  table.outputs = table.outputs.filter((output) => !(output in table.inputs));
  return [token, table] as const;
}

const SOURCES: Record<string, string> = {
  oci: "documentation in the package's declarations: what is not marked (Updatable) replaces",
  gcp: "documentation in the package's declarations: what says that changing it forces a new resource",
  tailscale: "the Terraform provider's source, by resource",
  docker: "the provider's source, by resource",
};

const check = process.argv.includes("--check");
for (const [provider, classes] of Object.entries(CLASSES)) {
  const folder = packageFolder(provider);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    version: string;
  };
  const types = inputTypes(folder);
  const table: Table = {
    package: `@pulumi/${provider}`,
    version,
    inputsFrom: "declarations of the npm package",
    forceNewFrom: SOURCES[provider]!,
    resources: Object.fromEntries(
      classes
        .map((name) => extractClass(provider, name, types))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
  };
  const file = join(here, "tables", `${provider}.json`);
  const text = await format(JSON.stringify(table), { parser: "json", printWidth: 100 });
  if (check) {
    if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
      console.error(`${file} is not what @pulumi/${provider} ${version} says: run extract.ts.`);
      process.exitCode = 1;
    }
  } else writeFileSync(file, text);
  console.log(`${provider} ${version}: ${Object.keys(table.resources).length} resource types`);
}
