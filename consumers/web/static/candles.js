// Candles of one symbol: the ranges of time that can be chosen, reading them, and continuing the last one by live prices.

import { read, symbolPath, withQuery } from "./api.js";
import { chartTime } from "./time_zones.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @typedef {import("./store.js").Quote} Quote */

/**
 * A candle as the API has it: prices are decimal texts, and `at` is `start` in milliseconds.
 *
 * @typedef {{at: number, start: string, open: string, high: string, low: string, close: string, volume: number | null, samples: number}} Candle
 */

/** @typedef {{name: string, words: string, length: number, timeframes: Timeframe[]}} Range */
/** @typedef {{name: string, length: number, isDate: boolean}} Timeframe - `length` is in milliseconds. */

const S10 = { name: "10Sec", length: 10_000, isDate: false };
const M1 = { name: "1Min", length: MINUTE, isDate: false };
const M5 = { name: "5Min", length: 5 * MINUTE, isDate: false };
const M15 = { name: "15Min", length: 15 * MINUTE, isDate: false };
const M30 = { name: "30Min", length: 30 * MINUTE, isDate: false };
const H1 = { name: "1Hour", length: HOUR, isDate: false };
const H4 = { name: "4Hour", length: 4 * HOUR, isDate: false };
const D1 = { name: "1Day", length: DAY, isDate: true };

/** So few candles of five minutes are of a history that has just begun, which shorter candles show better. */
const FEW = 20;
/** A candle without a body and wicks tells less than a longer one would. */
const MOST_FLAT = 0.3;

/** The ranges to choose from. A longer timeframe is for symbols with few prices, or with daily bars alone. */
export const RANGES = /** @type {Range[]} */ ([
  { name: "1D", words: "1 day", length: DAY, timeframes: [M5, M15, M30] },
  { name: "5D", words: "5 days", length: 7 * DAY, timeframes: [M30, H1, H4, D1] },
  { name: "1M", words: "1 month", length: 31 * DAY, timeframes: [H1, H4, D1] },
  { name: "6M", words: "6 months", length: 183 * DAY, timeframes: [D1] },
  { name: "1Y", words: "1 year", length: 366 * DAY, timeframes: [D1] },
  { name: "5Y", words: "5 years", length: 5 * 366 * DAY, timeframes: [D1] },
]);

/** @typedef {{symbol: string, range: Range, zone: string, isAdjusted: boolean, newest: number, signal: AbortSignal}} Wanted */

/**
 * Read the candles of a range that ends with the newest price, of the shortest timeframe that suits them. Throws Problem.
 *
 * @param {Wanted} wanted
 * @returns {Promise<{candles: Candle[], timeframe: Timeframe}>}
 */
export async function readRange(wanted) {
  const start = wanted.newest - wanted.range.length;
  /** @type {{candles: Candle[], timeframe: Timeframe}} */
  let best = { candles: [], timeframe: wanted.range.timeframes[0] };
  for (const timeframe of wanted.range.timeframes) {
    const candles = await readCandles(wanted, timeframe, start);
    if (timeframe === M5 && candles.length && candles.length < FEW) return readShorter(wanted, start, candles);
    if (candles.length > 1 && !isMostlyFlat(candles)) return { candles, timeframe };
    if (candles.length > best.candles.length) best = { candles, timeframe };
  }
  return best;
}

/**
 * Read candles that are short enough for a history that has just begun. Throws Problem.
 *
 * @param {Wanted} wanted
 * @param {number} start
 * @param {Candle[]} candles - Those of five minutes.
 * @returns {Promise<{candles: Candle[], timeframe: Timeframe}>}
 */
async function readShorter(wanted, start, candles) {
  let best = { candles, timeframe: M5 };
  for (const timeframe of [M1, S10]) {
    const shorter = await readCandles(wanted, timeframe, start);
    if (shorter.length > best.candles.length) best = { candles: shorter, timeframe };
    if (best.candles.length >= FEW) break;
  }
  return best;
}

/**
 * Return true if many candles are of a single price.
 *
 * @param {Candle[]} candles
 */
export function isMostlyFlat(candles) {
  return candles.filter((candle) => candle.high === candle.low).length > MOST_FLAT * candles.length;
}

/**
 * Read the candles from an instant on. Throws Problem.
 *
 * @param {Omit<Wanted, "range" | "newest">} wanted
 * @param {Timeframe} timeframe
 * @param {number} start
 * @returns {Promise<Candle[]>}
 */
export async function readCandles({ symbol, zone, isAdjusted, signal }, timeframe, start) {
  const parameters = {
    timeframe: timeframe.name,
    start: new Date(start).toISOString(),
    tz: zone,
    adjustment: isAdjusted ? "split" : "raw",
    limit: 10_000,
  };
  const candles = [];
  let pageToken = null;
  do {
    const path = withQuery(`/v1/candles/${symbolPath(symbol)}`, { ...parameters, page_token: pageToken });
    const page = await read(path, { signal });
    for (const candle of page.candles) candles.push({ ...candle, at: Date.parse(candle.start) });
    pageToken = page.next_page_token;
  } while (pageToken);
  return candles;
}

/**
 * Return the last candle with a live price in it, or a new candle if the price is after it; null for a late price.
 *
 * @param {Candle | undefined} last
 * @param {Quote} quote - With a price.
 * @param {Timeframe} timeframe
 * @param {string} zone
 * @returns {Candle | null}
 */
export function continueCandle(last, quote, timeframe, zone) {
  const asOf = /** @type {number} */ (quote.asOf);
  const price = /** @type {string} */ (quote.price);
  const start = bucketStart(asOf, timeframe, zone);
  if (last && start < last.at) return null;
  if (!last || start > last.at) {
    const text = new Date(start).toISOString();
    return { at: start, start: text, open: price, high: price, low: price, close: price, volume: null, samples: 1 };
  }
  return {
    ...last,
    high: Number(price) > Number(last.high) ? price : last.high,
    low: Number(price) < Number(last.low) ? price : last.low,
    close: price,
    samples: last.samples + 1,
  };
}

/**
 * Return the begin of the bucket of an instant by the clock of a zone.
 *
 * @param {number} instant
 * @param {Timeframe} timeframe
 * @param {string} zone
 */
function bucketStart(instant, timeframe, zone) {
  const local = chartTime(zone, instant, false) * 1000;
  return Math.floor(instant / 1000) * 1000 - (local % timeframe.length);
}

/**
 * Return the candles with those that were read again in place of the old ones. A candle that has more prices than the
 * one that was read stays: the history may be behind the live events.
 *
 * @param {Candle[]} candles
 * @param {Candle[]} readAgain - Oldest first.
 * @returns {Candle[]}
 */
export function replaceTail(candles, readAgain) {
  if (!readAgain.length) return candles;
  const known = new Map(candles.map((candle) => [candle.at, candle]));
  const kept = candles.filter((candle) => candle.at < readAgain[0].at);
  const tail = readAgain.map((candle) => {
    const old = known.get(candle.at);
    return old && old.samples > candle.samples ? old : candle;
  });
  const last = tail[tail.length - 1].at;
  return [...kept, ...tail, ...candles.filter((candle) => candle.at > last)];
}
