// The prices of the day for the sparklines: read from the history for the rows that are seen, then continued by live prices.

import { read, symbolPath, withQuery } from "../api.js";

// Milliseconds from one point to the next; a history that has just begun has too few points of five minutes.
const STEP = 5 * 60_000;
const SHORT_STEP = 10_000;
const FEW = 12;
const DAY = 24 * 3_600_000;
const AT_ONCE = 4;

/** @typedef {import("../store.js").Quote} Quote */
/** @typedef {{at: number, price: string}} Point */

export class DayCourses {
  constructor() {
    /** @type {Map<string, Point[]>} */
    this.points = new Map();
    /** @type {Map<string, number>} */
    this.steps = new Map();
    /** @type {Set<string>} */
    this.asked = new Set();
    /** @type {Set<string>} - The symbols with points that were not drawn yet. */
    this.changed = new Set();
    /** @type {{quote: Quote, done: () => void}[]} */
    this.waiting = [];
    this.running = 0;
    this.ending = new AbortController();
  }

  close() {
    this.ending.abort();
  }

  /**
   * Read the day's prices of a symbol, once, and call `done` when they are here.
   *
   * @param {Quote} quote
   * @param {() => void} done
   */
  want(quote, done) {
    if (quote.asOf === null || this.asked.has(quote.symbol)) return;
    this.asked.add(quote.symbol);
    this.waiting.push({ quote, done });
    this.#readNext();
  }

  /**
   * Continue the course of a symbol by a live price.
   *
   * @param {Quote} quote
   */
  take(quote) {
    if (quote.price === null || quote.asOf === null) return;
    const points = this.points.get(quote.symbol) ?? [];
    addPoint(points, { at: quote.asOf, price: quote.price }, this.steps.get(quote.symbol) ?? SHORT_STEP);
    this.points.set(quote.symbol, points);
    this.changed.add(quote.symbol);
  }

  /**
   * Return the points of a symbol if they have changed since the last call.
   *
   * @param {string} symbol
   * @returns {Point[] | null}
   */
  changedPoints(symbol) {
    return this.changed.delete(symbol) ? (this.points.get(symbol) ?? []) : null;
  }

  #readNext() {
    while (this.running < AT_ONCE && this.waiting.length) {
      const next = /** @type {{quote: Quote, done: () => void}} */ (this.waiting.shift());
      this.running += 1;
      this.#read(next.quote)
        .then(next.done, () => this.asked.delete(next.quote.symbol)) // asked again when the row is seen again
        .finally(() => {
          this.running -= 1;
          this.#readNext();
        });
    }
  }

  /** @param {Quote} quote */
  async #read({ symbol, asOf }) {
    const dayStart = Math.floor(/** @type {number} */ (asOf) / DAY) * DAY;
    let points = await this.#readPoints(symbol, dayStart, "5Min");
    const isShort = points.length > 0 && points.length < FEW;
    if (isShort) points = await this.#readPoints(symbol, dayStart, "10Sec");
    const step = isShort ? SHORT_STEP : STEP;
    this.steps.set(symbol, step);
    for (const point of this.points.get(symbol) ?? []) addPoint(points, point, step);
    this.points.set(symbol, points);
    this.changed.add(symbol);
  }

  /**
   * @param {string} symbol
   * @param {number} start
   * @param {string} timeframe
   * @returns {Promise<Point[]>}
   */
  async #readPoints(symbol, start, timeframe) {
    const path = withQuery(`/v1/candles/${symbolPath(symbol)}`, { timeframe, start: new Date(start).toISOString() });
    const { candles } = await read(path, { signal: this.ending.signal });
    return candles.map((/** @type {any} */ candle) => ({ at: Date.parse(candle.start), price: candle.close }));
  }
}

/**
 * Add a point at the end. One of the same step replaces the last one, and points of earlier days are dropped.
 *
 * @param {Point[]} points
 * @param {Point} point
 * @param {number} step
 */
function addPoint(points, point, step) {
  const start = Math.floor(point.at / step) * step;
  const last = points[points.length - 1];
  if (last && last.at > start) return;
  if (last && last.at === start) points.pop();
  points.push({ at: start, price: point.price });
  const day = Math.floor(start / DAY) * DAY;
  while (points[0].at < day) points.shift();
}
