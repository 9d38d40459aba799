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

/** @type {Record<string, Timeframe>} */
const TIMEFRAMES = {
  "5Min": { name: "5Min", length: 5 * MINUTE, isDate: false },
  "30Min": { name: "30Min", length: 30 * MINUTE, isDate: false },
  "1Hour": { name: "1Hour", length: HOUR, isDate: false },
  "1Day": { name: "1Day", length: DAY, isDate: true },
};

/** The ranges to choose from. The second timeframe of a range is for symbols of which only daily bars are stored. */
export const RANGES = /** @type {Range[]} */ ([
  { name: "1D", words: "1 day", length: DAY, timeframes: [TIMEFRAMES["5Min"]] },
  { name: "5D", words: "5 days", length: 7 * DAY, timeframes: [TIMEFRAMES["30Min"], TIMEFRAMES["1Day"]] },
  { name: "1M", words: "1 month", length: 31 * DAY, timeframes: [TIMEFRAMES["1Hour"], TIMEFRAMES["1Day"]] },
  { name: "6M", words: "6 months", length: 183 * DAY, timeframes: [TIMEFRAMES["1Day"]] },
  { name: "1Y", words: "1 year", length: 366 * DAY, timeframes: [TIMEFRAMES["1Day"]] },
  { name: "5Y", words: "5 years", length: 5 * 366 * DAY, timeframes: [TIMEFRAMES["1Day"]] },
]);

/** @typedef {{symbol: string, range: Range, zone: string, isAdjusted: boolean, newest: number, signal: AbortSignal}} Wanted */

/**
 * Read the candles of a range that ends with the newest price. Throws Problem.
 *
 * @param {Wanted} wanted
 * @returns {Promise<{candles: Candle[], timeframe: Timeframe}>}
 */
export async function readRange(wanted) {
  const start = wanted.newest - wanted.range.length;
  /** @type {{candles: Candle[], timeframe: Timeframe}} */
  let found = { candles: [], timeframe: wanted.range.timeframes[0] };
  for (const timeframe of wanted.range.timeframes) {
    found = { candles: await readCandles(wanted, timeframe, start), timeframe };
    if (found.candles.length > 1) break;
  }
  return found;
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
