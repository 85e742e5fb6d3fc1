// What a dashboard asks: its PromQL expressions and its SQL, each with the panel it stands in.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FILES } from "./prometheus.ts";

interface Target {
  expr?: string;
  rawSql?: string;
}
interface Panel {
  title: string;
  type: string;
  datasource?: { uid: string };
  targets?: Target[];
}
interface Dashboard {
  panels: Panel[];
  templating: { list: { name: string; query: string }[] };
  annotations: { list: { name: string; expr: string }[] };
}

export interface Asked {
  where: string;
  text: string;
}

export const dashboard = JSON.parse(
  readFileSync(join(FILES, "grafana/dashboards/tickhub.json"), "utf8"),
) as Dashboard;

const asked = (pick: (target: Target) => string | undefined): Asked[] =>
  dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.flatMap((target) => {
      const text = pick(target);
      return text === undefined ? [] : [{ where: title, text }];
    }),
  );

export const expressions: Asked[] = [
  ...asked(({ expr }) => expr),
  ...dashboard.annotations.list.map(({ name, expr }) => ({ where: name, text: expr })),
];

/** As Grafana sends it: its macro of time and its variables filled in. */
export const statements: Asked[] = [
  ...asked(({ rawSql }) => rawSql),
  ...dashboard.templating.list.map(({ name, query }) => ({ where: `$${name}`, text: query })),
].map(({ where, text }) => ({
  where,
  text: text
    .replace(/\$__timeFilter\((\w+)\)/g, "$1 between now() - interval '6 hours' and now()")
    .replaceAll("$symbol", "005930"),
}));

/** Names of metrics in an expression: what stands before a selector, a range or an end, and is no word of PromQL. */
export function metricsOf(expression: string): string[] {
  const bare = expression
    .replace(/"[^"]*"/g, "")
    .replace(/\b(by|on|without|ignoring)\s*\([^)]*\)/g, "")
    .replace(/\{[^}]*\}/g, "");
  return [
    ...new Set(
      bare.match(/\b(?:up|ALERTS|[a-z]+:)?(?:[a-z]\w*_[\w:]*|up\b|ALERTS\b)(?!\w*\()/g) ?? [],
    ),
  ].filter((name) => !/^(histogram_quantile|predict_linear)$/.test(name));
}
