// KIS records made up field by field, for tests that bend one of them. Prices are invented.

/** 47 fields of H0STCNT0; `changes` by index. */
export function tradeFields(changes: Record<number, string> = {}): string[] {
  const fields = (
    "005930 101530 70000 2 100 0.14 70010.50 69900 70200 69800 70100 70000 7 1000 70010500 40 60 20 " +
    "150.00 380 570 1 0.60 10.00 090010 2 100 093000 5 -200 091500 2 200 20260922 20 N 500 600 9000 " +
    "8000 0.01 20000 5.00 0 - 69900 2"
  ).split(" ");
  fields[44] = "";
  return change(fields, changes);
}

/** 59 fields of H0STASP0 with 10 levels a side, sizes 1..10 and 11..20; `changes` by index. */
export function bookFields(changes: Record<number, string> = {}): string[] {
  const ten = (of: (i: number) => number) => Array.from({ length: 10 }, (_, i) => String(of(i)));
  const fields = [
    ...["005930", "101530", "0"],
    ...ten((i) => 70_100 + 100 * i),
    ...ten((i) => 70_000 - 100 * i),
    ...ten((i) => i + 1),
    ...ten((i) => i + 11),
    ...["55", "155", "0", "0", "0", "0", "500", "-70000", "5", "-100.00", "1000"],
    ...["1", "-1", "0", "0", "0"],
  ];
  return change(fields, changes);
}

/** 26 fields of HDFSCNT0; `changes` by index. */
export function usTradeFields(changes: Record<number, string> = {}): string[] {
  const fields = (
    "DNASAAPL AAPL 4 20260105 20260105 093001 20260105 233001 200.0000 201.0000 199.0000 200.1250 2 " +
    "0.1250 +0.06 200.1200 200.1300 100 200 10 5000 1000625 2000 3000 150.00 1"
  ).split(" ");
  return change(fields, changes);
}

/** 10 fields of H0STMKO0; `changes` by index. */
export function marketFields(changes: Record<number, string> = {}): string[] {
  return change(["005930", "N", "(null)", "AB1", "112", "", "", "55", "N", ""], changes);
}

function change(fields: string[], changes: Record<number, string>): string[] {
  for (const [index, value] of Object.entries(changes)) fields[Number(index)] = value;
  return fields;
}

/** A frame of these records. The header counts them unless told otherwise. */
export function kisFrame(trId: string, records: string[][], count = records.length): Buffer {
  const payload = records.map((fields) => fields.join("^")).join("^");
  return Buffer.from(`0|${trId}|${String(count).padStart(3, "0")}|${payload}`);
}
