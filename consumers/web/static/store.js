// The newest price of each symbol, as the history and the live events tell it.

import { Listeners } from "./listeners.js";

/**
 * A symbol's newest price. Prices are decimal texts, and instants are milliseconds since 1970.
 *
 * @typedef {object} Quote
 * @property {string} symbol
 * @property {string | null} price - Null until there is one.
 * @property {string | null} currency
 * @property {number | null} asOf - When the market made the price.
 * @property {number | null} observedAt - When Stockwire observed the price.
 * @property {string | null} provider
 * @property {number | null} volume - Of the day so far; null if it is not known.
 * @property {string | null} previousClose
 * @property {boolean} delayed
 * @property {string | null} interval - The length of a bar; null for a quote.
 */

/** Prices that nobody paid: they are labelled wherever they are shown. */
const SIMULATED = "simulated";

/** The newest prices, and those who want to hear of their changes. */
export class QuoteStore {
  constructor() {
    /** @type {Map<string, Quote>} */
    this.quotes = new Map();
    /** @type {Listeners<[quote: Quote, before: Quote | undefined, isLive: boolean]>} */
    this.changes = new Listeners();
  }

  /** True if any price is simulated. */
  get hasSimulated() {
    return [...this.quotes.values()].some(isSimulated);
  }

  /** True if no price is real. */
  get isAllSimulated() {
    return [...this.quotes.values()].every(isSimulated);
  }

  /**
   * Take a row of `/v1/latest` or `/v1/watch`.
   *
   * @param {Record<string, any>} row
   */
  takeRow(row) {
    this.#take(quoteOf(row), false);
  }

  /**
   * Take a STOCK_DATA event.
   *
   * @param {Record<string, any>} event
   */
  takeEvent({ time, data }) {
    this.#take(quoteOf({ ...data, observed_at: time }), true);
  }

  /**
   * Keep the quote if it is newer than the one before. One that only repeats it fills in what was not known.
   *
   * @param {Quote} quote
   * @param {boolean} isLive
   */
  #take(quote, isLive) {
    const before = this.quotes.get(quote.symbol);
    if (before?.asOf) {
      if (quote.asOf === null || quote.asOf < before.asOf) return;
      if (quote.asOf === before.asOf && (quote.observedAt ?? 0) < (before.observedAt ?? 0)) return;
      if (quote.previousClose === null && sameDay(quote.asOf, before.asOf)) quote.previousClose = before.previousClose;
    }
    this.quotes.set(quote.symbol, quote);
    this.changes.call(quote, before, isLive);
  }
}

/**
 * Return the quote of a symbol without a price.
 *
 * @param {string} symbol
 * @returns {Quote}
 */
export function unknownQuote(symbol) {
  return quoteOf({ symbol });
}

/**
 * @param {Record<string, any>} row - Of the API; what it leaves out is not known.
 * @returns {Quote}
 */
function quoteOf(row) {
  return {
    symbol: row.symbol,
    price: row.price ?? null,
    currency: row.currency ?? null,
    asOf: instant(row.as_of),
    observedAt: instant(row.observed_at),
    provider: row.provider ?? null,
    volume: row.volume ?? null,
    previousClose: row.previous_close ?? null,
    delayed: row.delayed ?? false,
    interval: row.interval ?? null,
  };
}

/**
 * Return true if nobody paid this price.
 *
 * @param {Quote} quote
 */
export function isSimulated(quote) {
  return quote.provider === SIMULATED;
}

/**
 * Return the milliseconds since 1970 of an RFC 3339 text, or null without one.
 *
 * @param {string | null | undefined} text
 */
function instant(text) {
  return text ? Date.parse(text) : null;
}

/**
 * @param {number} one
 * @param {number} other
 */
function sameDay(one, other) {
  return new Date(one).toISOString().slice(0, 10) === new Date(other).toISOString().slice(0, 10);
}
