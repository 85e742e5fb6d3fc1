// 화면의 말, 한국어. The same keys as en.ts; the coverage sentence is made here of the hub's figures.
import type { Incident, Outcome } from "../../../query/coverage/incidents.ts";
import type { CoverageSummary } from "../../../query/coverage/summary.ts";
import type { Messages } from "./en.ts";

const number = (value: number) => value.toLocaleString("en-US");
const percent = (share: number) => `${(Math.floor(share * 100_000) / 1_000).toFixed(3)} %`;

function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds}초`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)}분` : `${Math.round(seconds / 3_600)}시간`;
}

const FATES: Readonly<Record<Outcome, string>> = {
  open: "보충 중",
  refilled: "보충 완료",
  partial: "일부만 보충",
  lost: "유실",
};

const BROKERS: Readonly<Record<string, string>> = { kis: "한국투자", kiwoom: "키움" };

function cause({ source, reason }: Incident): string {
  const [name = source, no = "1"] = source.split(":");
  const broker = `${BROKERS[name] ?? name}${no === "1" ? "" : ` ${no}`}`;
  if (reason === "KILLED") return `${broker} 수집기 강제 종료`;
  if (reason === "STOPPED") return `${broker} 재시작`;
  if (reason === "SILENT" || reason === "FEED_SILENT") return `${broker} 무응답`;
  if (reason === "LEASE_LOST") return `${broker} 수집권 상실`;
  if (reason.startsWith("FEED_")) return `${broker} 재접속`;
  if (reason.startsWith("VOLUME_")) return `${broker} 체결 누락`;
  if (reason.startsWith("DAY_")) return `${broker} 장 시작·마감 체결 누락`;
  return `${broker} ${reason}`;
}

function fate({ trades, books }: Incident): string {
  const parts = [trades && `체결 ${FATES[trades]}`, books && `호가 ${FATES[books]}`];
  return parts.filter(Boolean).join(", ");
}

/** 오늘: 100종목, 99.998 % 검증, 공백 1건 (12초, 한국투자 재접속, 체결 보충 완료) */
function coverage(told: CoverageSummary): string {
  const { day, symbols, verifiedShare, aliveShare, incidents, sentence } = told;
  const date = String(day).replace(/^(\d{4})(\d\d)/, "$1-$2-");
  const when = sentence.startsWith("today") ? "오늘" : date;
  const parts = [`${number(symbols)}종목`];
  if (verifiedShare === null) parts.push("아직 수집할 시간이 아님");
  else {
    parts.push(`${percent(verifiedShare)} 검증`);
    if (aliveShare !== null && aliveShare >= 0.000_01) parts.push(`${percent(aliveShare)} 수신 중`);
  }
  if (verifiedShare !== null || incidents.length > 0) parts.push(gaps(incidents));
  return `${when}: ${parts.join(", ")}`;
}

function gaps(incidents: readonly Incident[]): string {
  const length = ({ fromMs, toMs }: Incident) => toMs - fromMs;
  const [longest] = [...incidents].sort((one, other) => length(other) - length(one));
  if (!longest) return "공백 없음";
  const facts = [duration(length(longest)), cause(longest), fate(longest)].join(", ");
  if (incidents.length === 1) return `공백 1건 (${facts})`;
  const open = incidents.filter(({ trades, books }) => trades === "open" || books === "open");
  return `공백 ${incidents.length}건 (최장 ${facts}${open.length > 0 ? `; 진행 중 ${open.length}건` : ""})`;
}

export const ko: Messages = {
  language: "한국어",
  units: {
    seconds: (n) => `${n}초`,
    minutes: (n) => `${n}분`,
    hours: (n) => `${n}시간`,
    days: (n) => `${n}일`,
  },
  nav: {
    skip: "본문으로 건너뛰기",
    label: "화면",
    overview: "현황",
    logs: "로그",
    switchLanguage: "English",
    theme: "화면 밝기",
    themes: { system: "시스템", light: "밝게", dark: "어둡게" },
    colours: "등락 색",
    coloursOf: { seoul: "빨강 상승", newyork: "초록 상승" },
    unlock: "조작…",
    unlocked: "조작 가능",
    charts: "차트: TradingView Lightweight Charts",
  },
  connection: {
    connecting: "허브에 연결하는 중…",
    live: "실시간",
    lost: "연결 끊김",
    lostSince: (time) => `연결이 끊겼습니다. ${time} KST 기준 화면이며, 다시 연결하는 중입니다.`,
    neverHeard: "허브가 응답하지 않습니다. 다시 연결하는 중입니다.",
  },
  verdict: {
    label: "종합 판정",
    allWell: "모두 정상",
    waiting: "허브의 첫 소식을 기다리는 중",
    more: (n) => `외 ${n}건`,
    troubles: {
      database: ({ code }) => `데이터베이스 이상: ${code}`,
      books: () => "장부가 맞지 않음",
      stream: ({ account, check, detail }) => `${account}: 장부가 틀림 (${check}, ${detail})`,
      unrefillable: ({ gaps }) => `보충할 수 없는 체결 공백 ${gaps}건`,
      lost: ({ records }) => `유실로 신고된 레코드 ${number(records)}건`,
      backup: ({ text }) => `백업: ${text.replace(/^backup: /, "")}`,
      meter: ({ meter, subject, over, amount, limit }) =>
        `${subject} ${ko.meters.names[meter] ?? meter}: ${limit} 중 ${amount} ${over ? "사용" : "(월말 예상)"}`,
      edge: ({ edge, silentMs }) => `${edge}: ${Math.round(silentMs / 1_000)}초째 무응답`,
      uncollected: ({ account }) => `${account}: 아무도 수집하지 않음`,
      edgeBooks: ({ account }) => `${account}: 엣지의 장부가 맞지 않음`,
      fence: () => "수집권을 내주지 않는 상태: tickhub phase show",
      moving: ({ moving }) => `단계 전환이 끝나지 않음: ${moving}`,
      feed: ({ edge, account, feed, code }) =>
        `${edge}: ${account} 시세 ${feed}${code ? ` (${code})` : ""}`,
    },
    coverage,
    database: (code, time) =>
      `${time} KST부터 데이터베이스가 응답하지 않습니다 (${code}). 엣지가 받은 데이터를 보관합니다.`,
    version: (version, up) => `허브 ${version}, 가동 ${up}`,
  },
  ledger: {
    label: "모든 레코드의 행방",
    received: "수신",
    committed: "저장",
    duplicate: "중복",
    held: "대기",
    quarantined: "격리",
    lost: "유실",
    balanced: "일치",
    unbalanced: "불일치",
    rate: "초당 레코드",
    trades: "저장된 체결",
    books: "저장된 호가",
    account: "계정",
    where: "장부",
    hub: "허브, 누계",
    edge: "엣지, 이번 실행",
  },
  edges: {
    label: "엣지",
    none: "아직 보고한 엣지가 없습니다.",
    phase: "단계",
    phases: {
      home: "home 자택",
      local: "local 원격 저장",
      dual: "dual 병행",
      cloud: "cloud 클라우드",
    },
    noPhase: "단계 없음",
    sites: { home: "자택", cloud: "클라우드", unknown: "위치 미지정" },
    states: { ok: "정상", late: "지연", down: "중단" },
    breaker: "차단기",
    breakers: { closed: "닫힘(정상)", open: "열림(차단)", probing: "확인 중" },
    outbox: "보관 여유",
    held: "대기",
    rows: (n) => `${n}건`,
    lastTick: "마지막 틱",
    never: "없음",
    ago: (span) => `${span} 전`,
    ack: "수신→확인 p50 · p99",
    lease: "수집권",
    epoch: (n) => `${n}회차`,
    registrations: (n) => `등록 ${n}건`,
    silent: (span) => `${span}째 무응답`,
    release: "수집권 반납…",
  },
  gaps: {
    label: "오늘의 공백",
    none: "공백이 없습니다.",
    when: "시각 (KST)",
    source: "출처",
    symbols: "종목",
    why: "원인",
    trades: "체결",
    books: "호가",
    fates: { ...FATES, now: "진행 중" },
    states: {
      suspected: "의심",
      refilling: "보충 중",
      refilled: "보충 완료",
      explained: "해명됨",
      partial: "일부만 보충",
      lost: "유실",
    },
    since: (time) => `${time}부터`,
    edgeDown: (edge) => `엣지 ${edge} 중단`,
    feedDown: (feed) => `시세 ${feed}`,
    all: (n) => `외 ${n}건: tickhub verify`,
    ofSymbols: (n) => `${n}종목`,
    shares: (n) => `${n}주`,
    onChart: "공백",
  },
  strip: {
    label: "종목별 시세와 오늘의 수집 현황",
    filter: "종목코드, 이름, 출처로 찾기",
    onlyGaps: "공백 있는 종목만",
    none: "맞는 종목이 없습니다.",
    waiting: "허브가 시작된 뒤 아직 체결이 없습니다.",
    symbol: "종목",
    price: "현재가",
    time: "시각",
    verified: "검증",
    cells: {
      v: "검증",
      w: "거래량 검증",
      a: "수신 중",
      s: "의심",
      g: "공백",
      r: "보충",
      n: "기록 없음",
      ".": "장외",
      " ": "예정",
    },
    describe: (source, share, gapsText) =>
      `${source}: ${share} 검증, ${gapsText === "" ? "공백 없음" : `공백 ${gapsText}`}`,
    unavailable: "수집 현황을 표시할 수 없습니다",
  },
  latency: {
    label: "수신→저장 지연",
    p50: "p50",
    p99: "p99",
    span: "최근 1분",
    chart: (p50, p99) => `최근 몇 분간 수신에서 저장까지의 지연: p50 ${p50}, p99 ${p99}`,
    target: "목표 80 ms",
  },
  parity: {
    label: "두 증권사 일치율과 클라우드 관문",
    open: "관문 열림",
    closed: (n, of) => `${of}일 중 ${n}일 충족`,
    day: "날짜",
    share: "일치율",
    coverage: "공동 수집",
    notComputed: "미계산",
    why: "미충족 사유",
    none: "아직 비교한 날이 없습니다.",
    key: "위는 거래량 일치율, 아래는 공동 수집률 (%)",
  },
  meters: {
    label: "무료 한도 사용량",
    none: "1분마다 측정하며, 아직 값이 없습니다.",
    names: {
      egress: "외부 전송",
      egress_sockets: "외부 전송(소켓)",
      egress_ledger: "외부 전송(배치)",
      egress_interface: "외부 전송(인터페이스)",
      requests: "요청",
      logs: "로그",
      metrics: "메트릭",
      storage: "저장 공간",
      bucket: "백업 버킷",
    },
    states: { ok: "정상", warn: "임박", over: "초과" },
    used: (used, limit) => `${limit} 중 ${used}`,
    projected: (amount) => `월말 예상 ${amount}`,
    guess: "아직 알 수 없음",
    all: "전체 보기",
  },
  alerts: {
    label: "경보",
    none: "경보가 없습니다.",
    active: "지속 중",
    over: (span) => `${span} 만에 해소`,
    sentinel: (span) => `센티널 응답 ${span} 전`,
    noSentinel: "보고한 센티널이 없습니다.",
    severities: { warning: "주의", critical: "심각" },
    unavailable: "경보를 읽을 수 없습니다",
  },
  symbol: {
    back: "현황",
    unknown: "이 종목에 대한 정보가 없습니다.",
    step: "봉 간격",
    steps: {
      5_000: "5초",
      15_000: "15초",
      60_000: "1분",
      300_000: "5분",
      900_000: "15분",
      3_600_000: "1시간",
      86_400_000: "1일",
    },
    chart: (symbol) => `${symbol} 봉과 거래량`,
    ladder: "호가",
    trades: "체결",
    noBook: "아직 호가가 없습니다.",
    noTrades: "아직 체결이 없습니다.",
    expected: "예상",
    bid: "매수",
    ask: "매도",
    quantity: "수량",
    price: "가격",
    time: "시각 KST",
    side: { buy: "매수", sell: "매도", none: "–" },
    origins: { live: "", backfill: "보충", transfer: "이관" },
    ohlc: { open: "시", high: "고", low: "저", close: "종", volume: "량" },
    sources: "출처",
    spread: "호가 차",
  },
  logs: {
    label: "로그",
    edge: "엣지",
    anyEdge: "전체",
    level: "최소 등급",
    event: "이벤트",
    text: "내용",
    follow: "따라가기",
    none: "맞는 로그가 없습니다.",
    lines: (n) => `${n}줄`,
    older: "이전 로그",
    unavailable: "로그를 읽을 수 없습니다",
    list: "로그 목록",
    toEnd: "최신 로그로",
  },
  act: {
    title: "조작",
    readOnly: "이 허브의 화면은 읽기 전용입니다: 관리자 토큰이 없습니다 (TICKHUB_ADMIN_TOKEN).",
    token: "관리자 토큰",
    tokenNote: "이 탭의 메모리에만 둡니다.",
    unlock: "잠금 해제",
    lock: "잠그기",
    close: "닫기",
    reason: "사유 (열 글자 이상)",
    confirm: "실행",
    working: "처리 중…",
    advance: "다음 단계로",
    rollback: "이전 단계로",
    force: "거부 사유를 무시하고 강행",
    release: (account) => `${account} 수집권 반납`,
    done: "완료",
    refused: "거부됨",
  },
};
