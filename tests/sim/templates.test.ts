import { describe, expect, test } from "vitest";
import { targetsOf as kisTargets } from "../../app/sim/kis/frame.ts";
import { kisLayout } from "../../app/sim/kis/layout.ts";
import * as kis from "../../app/sim/kis/template.ts";
import { targetsOf as kiwoomTargets } from "../../app/sim/kiwoom/frame.ts";
import { defaultFrame, kiwoomLayout } from "../../app/sim/kiwoom/layout.ts";
import * as kiwoom from "../../app/sim/kiwoom/template.ts";
import { generateMarket } from "../../app/sim/market/generator.ts";
import { capturedFrames, NO_DATA } from "../support/data.ts";

const kisData = capturedFrames("kis.tsv").filter(({ frame }) => !frame.startsWith("{"));
const playedTypes = ["0A", "0B", "0D", "0H", "0s", "1h"];
const kiwoomData = capturedFrames("kiwoom.tsv").filter(
  ({ label, frame }) =>
    /^(REAL-CAPTURE|OFFICIAL-DOC)/.test(label) && playedTypes.includes(typeOf(frame)),
);

/** The TR of a recording: from its head, or where only the payload was kept, from its label and width. */
function trOf(label: string, frame: string): string {
  const [, tr] = /^0\|([^|]+)\|/.exec(frame) ?? [];
  if (tr !== undefined) return tr;
  if (label.includes("H0UNMKO0")) return "H0UNMKO0";
  return frame.split("^").length % 59 === 0 ? "H0STASP0" : "H0STCNT0";
}

function typeOf(frame: string): string {
  return /"type":"([^"]+)"/.exec(frame)?.[1] ?? "";
}

describe("KIS", () => {
  test("every recorded data frame is looked at", ({ skip }) => {
    if (kisData.length === 0) skip(NO_DATA);
    expect(kisData).toHaveLength(33);
  });

  test.each(kisData)("$label: cut into named fields and rendered again, it is itself", (line) => {
    const layout = kisLayout(trOf(line.label, line.frame))!;
    const template = kis.readTemplate(layout, line.frame);
    expect(kis.render(template, {})).toBe(line.frame);
    expect(layout.widths).toContain(template.width);
    if (!line.label.includes("TRUNCATED")) {
      for (const record of template.records) expect(record).toHaveLength(template.width);
    }
  });

  test.each(kisData)("$label: fields stand where their names say", ({ label, frame }) => {
    const layout = kisLayout(trOf(label, frame))!;
    const { records, width } = kis.readTemplate(layout, frame);
    for (const record of records.filter((one) => one.length === width)) {
      const at = (name: string) => record[layout.names.indexOf(name)]!;
      const sum = (name: string) =>
        Array.from({ length: 10 }, (_, i) => Number(at(`${name}${i + 1}`))).reduce((a, b) => a + b);
      if (layout.tr === "H0STCNT0") {
        expect(Number(at("NTBY_CNTG_CSNU"))).toBe(
          Number(at("SHNU_CNTG_CSNU")) - Number(at("SELN_CNTG_CSNU")),
        );
        expect(at("BSOP_DATE")).toMatch(/^20\d{6}$/);
      } else if (layout.tr === "H0STASP0") {
        expect(sum("ASKP_RSQN")).toBe(Number(at("TOTAL_ASKP_RSQN")));
        expect(sum("BIDP_RSQN")).toBe(Number(at("TOTAL_BIDP_RSQN")));
      } else if (layout.tr === "HDFSASP0") {
        expect(sum("VBID")).toBe(Number(at("BVOL")));
        expect(sum("VASK")).toBe(Number(at("AVOL")));
      } else if (layout.tr === "HDFSCNT0") {
        expect(at("RSYM")).toBe(`DNAS${at("SYMB")}`);
      } else expect(at("VI_CLS_CODE")).toMatch(/^[YN]$/);
    }
  });

  test("a changed field changes that field and nothing else", () => {
    const layout = kisLayout("H0STMKO0")!;
    const frame = "0|H0STMKO0|001|900010^N^(null)^112^311^^^55^N^N";
    const template = kis.readTemplate(layout, frame);
    expect(kis.render(template, { VI_CLS_CODE: "Y" })).toBe(
      "0|H0STMKO0|001|900010^N^(null)^112^311^^^55^Y^N",
    );
    expect(() => kis.render(template, { NO_SUCH: "1" })).toThrow(/no field NO_SUCH/);
  });

  test("widths are today's: 47, 63, 62, 66, 26, 71, 10, 11", () => {
    const trs = ["H0STCNT0", "H0STASP0", "H0NXASP0", "H0UNASP0", "HDFSCNT0", "HDFSASP0"];
    const widths = [...trs, "H0STMKO0", "H0NXMKO0"].map((tr) => kisLayout(tr)!.names.length);
    expect(widths).toEqual([47, 63, 62, 66, 26, 71, 10, 11]);
  });
});

describe("Kiwoom", () => {
  test("every recorded data frame of a type we play is looked at", ({ skip }) => {
    if (kiwoomData.length === 0) skip(NO_DATA);
    expect(
      kiwoomData
        .map(({ frame }) => typeOf(frame))
        .sort()
        .join(" "),
    ).toBe("0A 0B 0B 0B 0B 0B 0D 0D 0D 0H 0s 1h");
  });

  test.each(kiwoomData)("$label $frame: rendered again, it is itself", ({ label, frame }) => {
    const template = kiwoom.readTemplate(frame);
    expect(kiwoom.render(template, {})).toBe(frame);
    const layout = kiwoomLayout(typeOf(frame))!;
    const fids = template.rows[0]!.slots.map(({ key }) => key).filter((key) => /^\d+$/.test(key));
    if (label.includes("TRIMMED")) expect(layout.fids).toEqual(expect.arrayContaining(fids));
    else expect(fids).toEqual(layout.fids);
    expect(frame).toContain(`"name":"${layout.name!}"`);
  });

  test("a changed field changes that field and nothing else, whatever the order of keys", () => {
    const live = `{"data":[{"values":{"20":"090000","10":"+100"},"type":"0B","item":"900010"}],"trnm":"REAL"}`;
    const doc = `{"trnm":"REAL","data":[{"type":"0B","item":"900010","values":{"20":"090000","10":"+100"}}]}`;
    for (const frame of [live, doc]) {
      const changed = kiwoom.render(kiwoom.readTemplate(frame), { 10: "-99", item: "900020" });
      expect(changed).toBe(frame.replace("+100", "-99").replace("900010", "900020"));
    }
  });

  test("the default frame of every type has its FIDs in wire order: 43 in 0B, 163 in 0D", () => {
    const counts = ["0B", "0D"].map((type) => kiwoomLayout(type)!.fids.length);
    expect(counts).toEqual([43, 163]);
    for (const type of [...playedTypes, "FE", "FT"]) {
      const layout = kiwoomLayout(type)!;
      const [row] = kiwoom.readTemplate(defaultFrame(layout)).rows;
      const fids = row!.slots.map(({ key }) => key).filter((key) => /^\d+$/.test(key));
      expect(fids).toEqual(layout.fids);
    }
  });
});

test("both brokers say the same about every event of a generated market", () => {
  const market = generateMarket({
    seed: 7,
    ratePerSecond: 200,
    symbols: 6,
    us: true,
    openingMs: 200,
  });
  const seen = new Set<string>();
  let events = 0;
  for (const event of market.play(Date.UTC(2026, 8, 22, 1))) {
    for (const target of kisTargets(event, market.instruments)) {
      const layout = kisLayout(target.tr);
      if (!layout) continue;
      const record = target.record();
      expect(record.split("^")).toHaveLength(layout.names.length);
      expect(record).not.toMatch(/NaN|undefined|Infinity/);
      seen.add(target.tr);
    }
    for (const target of kiwoomTargets(event)) {
      const row = JSON.parse(target.row()) as { type: string; values: Record<string, string> };
      expect(Object.keys(row.values).sort()).toEqual([...kiwoomLayout(target.type)!.fids].sort());
      expect(JSON.stringify(row)).not.toMatch(/NaN|undefined|Infinity/);
      seen.add(target.type);
    }
    if (++events > 3000) break;
  }
  expect([...seen].sort().join(" ")).toBe(
    "0B 0D 0H 0s 1h FE FT H0NXASP0 H0NXCNT0 H0NXMKO0 H0STASP0 H0STCNT0 H0STMKO0 H0UNASP0 H0UNCNT0 H0UNMKO0 HDFSASP0 HDFSCNT0",
  );
});
