// Korean days that follow no rule: holidays that the almanac package does not have, and the days of
// the college entrance exam. A row is added when a temporary holiday or an exam day is announced.
import type { Day, SpecialClosure } from "./market.ts";

const ALMANAC = "우주항공청·한국천문연구원 월력요항";
const ELECTION = "공직선거법 제34조, 관공서의 공휴일에 관한 규정 제2조";

/**
 * Public holidays on weekdays before the package's first year (2018), and any declared after its
 * release. Checked against the trading days of 2015–2017.
 */
export const KOREAN_CLOSURES: readonly SpecialClosure[] = [
  { day: 20150101, name: "1월 1일", source: `${ALMANAC} 2015` },
  { day: 20150218, name: "설날 전날", source: `${ALMANAC} 2015` },
  { day: 20150219, name: "설날", source: `${ALMANAC} 2015` },
  { day: 20150220, name: "설날 다음 날", source: `${ALMANAC} 2015` },
  { day: 20150505, name: "어린이날", source: `${ALMANAC} 2015` },
  { day: 20150525, name: "부처님 오신 날", source: `${ALMANAC} 2015` },
  { day: 20150814, name: "임시공휴일(광복 70주년)", source: "국무회의 2015-08-04" },
  { day: 20150928, name: "추석 다음 날", source: `${ALMANAC} 2015` },
  { day: 20150929, name: "대체공휴일(추석)", source: `${ALMANAC} 2015` },
  { day: 20151009, name: "한글날", source: `${ALMANAC} 2015` },
  { day: 20151225, name: "기독탄신일", source: `${ALMANAC} 2015` },
  { day: 20160101, name: "1월 1일", source: `${ALMANAC} 2016` },
  { day: 20160208, name: "설날", source: `${ALMANAC} 2016` },
  { day: 20160209, name: "설날 다음 날", source: `${ALMANAC} 2016` },
  { day: 20160210, name: "대체공휴일(설날)", source: `${ALMANAC} 2016` },
  { day: 20160301, name: "3ㆍ1절", source: `${ALMANAC} 2016` },
  { day: 20160413, name: "제20대 국회의원선거", source: ELECTION },
  { day: 20160505, name: "어린이날", source: `${ALMANAC} 2016` },
  { day: 20160506, name: "임시공휴일", source: "국무회의 2016-04-28" },
  { day: 20160606, name: "현충일", source: `${ALMANAC} 2016` },
  { day: 20160815, name: "광복절", source: `${ALMANAC} 2016` },
  { day: 20160914, name: "추석 전날", source: `${ALMANAC} 2016` },
  { day: 20160915, name: "추석", source: `${ALMANAC} 2016` },
  { day: 20160916, name: "추석 다음 날", source: `${ALMANAC} 2016` },
  { day: 20161003, name: "개천절", source: `${ALMANAC} 2016` },
  { day: 20170127, name: "설날 전날", source: `${ALMANAC} 2017` },
  { day: 20170130, name: "대체공휴일(설날)", source: `${ALMANAC} 2017` },
  { day: 20170301, name: "3ㆍ1절", source: `${ALMANAC} 2017` },
  { day: 20170503, name: "부처님 오신 날", source: `${ALMANAC} 2017` },
  { day: 20170505, name: "어린이날", source: `${ALMANAC} 2017` },
  { day: 20170509, name: "제19대 대통령선거", source: "공직선거법 제35조, 국무회의 2017-03-15" },
  { day: 20170606, name: "현충일", source: `${ALMANAC} 2017` },
  { day: 20170815, name: "광복절", source: `${ALMANAC} 2017` },
  { day: 20171002, name: "임시공휴일", source: "국무회의 2017-09-05" },
  { day: 20171003, name: "개천절, 추석 전날", source: `${ALMANAC} 2017` },
  { day: 20171004, name: "추석", source: `${ALMANAC} 2017` },
  { day: 20171005, name: "추석 다음 날", source: `${ALMANAC} 2017` },
  { day: 20171006, name: "대체공휴일(추석)", source: `${ALMANAC} 2017` },
  { day: 20171009, name: "한글날", source: `${ALMANAC} 2017` },
  { day: 20171225, name: "기독탄신일", source: `${ALMANAC} 2017` },
];

/**
 * Days of the college entrance exam (수능), on which the markets run an hour late. Source: Ministry of
 * Education, announced two years ahead; KRX confirms about two weeks before. In 2017 an earthquake put
 * the exam off by a week and KRX kept the late hours on both days (KRX, 2017-11-15).
 */
export const EXAM_DAYS: readonly Day[] = [
  20151112, 20161117, 20171116, 20171123, 20181115, 20191114, 20201203, 20211118, 20221117,
  20231116, 20241114, 20251113, 20261119, 20271118,
];
