// Who trades on the generated market. Codes and names are public facts; prices are made up.
import type { Instrument } from "./event.ts";

const KRX: readonly (readonly [code: string, name: string, basePrice: number])[] = [
  ["005930", "삼성전자", 71_000],
  ["000660", "SK하이닉스", 182_000],
  ["247540", "에코프로비엠", 198_500],
  ["373220", "LG에너지솔루션", 352_000],
  ["207940", "삼성바이오로직스", 961_000],
  ["005380", "현대차", 233_500],
  ["000270", "기아", 98_700],
  ["068270", "셀트리온", 178_900],
  ["105560", "KB금융", 84_300],
  ["035420", "NAVER", 201_000],
  ["012450", "한화에어로스페이스", 487_500],
  ["055550", "신한지주", 49_850],
  ["028260", "삼성물산", 131_200],
  ["005490", "POSCO홀딩스", 312_000],
  ["035720", "카카오", 41_250],
  ["051910", "LG화학", 268_500],
  ["066570", "LG전자", 91_400],
  ["015760", "한국전력", 19_990],
  ["010170", "대한광통신", 1999],
  ["0074K0", "KODEX 미국반도체", 10_450],
];

const US: readonly (readonly [code: string, name: string, basePrice: number])[] = [
  ["AAPL", "애플", 228.5],
  ["NVDA", "엔비디아", 139.9],
  ["TSLA", "테슬라", 351.4],
];

/** The first `count` KRX instruments; beyond the known ones made-up codes 900010, 900020, … */
export function krxInstruments(count: number): Instrument[] {
  return Array.from({ length: count }, (_, i) => {
    const [code, name, basePrice] = KRX[i] ?? [String(900_000 + 10 * i), `모의${i}`, 10_000];
    const grid = code === "0074K0" ? "etf" : "stock";
    return { code, name, market: "KRX", grid, basePrice };
  });
}

/** The first `count` US instruments; beyond the known ones made-up codes ZZAAA, ZZAAB, … */
export function usInstruments(count = US.length): Instrument[] {
  return Array.from({ length: count }, (_, i) => {
    const [code, name, basePrice] = US[i] ?? [`ZZ${letters(i)}`, `모의 US ${i}`, 100];
    return { code, name, market: "US", grid: "usd", basePrice };
  });
}

/** Of these codes; what we do not know of one is made up. */
export function instrumentsNamed(market: "KRX" | "US", codes: readonly string[]): Instrument[] {
  return codes.map((code) => (market === "KRX" ? krxInstrument(code) : usInstrument(code)));
}

function krxInstrument(code: string): Instrument {
  const [, name, basePrice] = KRX.find(([known]) => known === code) ?? [code, code, 10_000];
  return { code, name, market: "KRX", grid: code === "0074K0" ? "etf" : "stock", basePrice };
}

function usInstrument(code: string): Instrument {
  const [, name, basePrice] = US.find(([known]) => known === code) ?? [code, code, 100];
  return { code, name, market: "US", grid: "usd", basePrice };
}

/** 0 is AAA, 27 is ABB. */
function letters(number: number): string {
  const digits = [Math.floor(number / 676), Math.floor(number / 26) % 26, number % 26];
  return digits.map((digit) => String.fromCharCode(65 + digit)).join("");
}

/** A KRX code's name where we know it; a tape brings its own codes. */
export function nameOf(code: string): string {
  return KRX.find(([known]) => known === code)?.[1] ?? code;
}
