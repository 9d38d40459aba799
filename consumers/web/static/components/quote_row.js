// A row of the watch list. It writes only what has changed.

import { element, setAttribute, setText } from "./dom.js";
import { Sparkline } from "./sparkline.js";
import { symbolLink } from "./symbol_link.js";
import { sentence } from "../foreign_text.js";
import { changeInBasisPoints, formatChange, formatDuration, formatPrice, formatVolume } from "../format.js";
import { NO_REASON, staleness } from "../staleness.js";
import { isSimulated } from "../store.js";
import { BROWSER_ZONE, formatRecent } from "../time_zones.js";

const FLASH_FOR = 500; // milliseconds

/** @typedef {import("../store.js").Quote} Quote */
/** @typedef {{health: import("../health.js").Health | null, isConnected: boolean, isAllSimulated: boolean, now: number}} Context */

export class QuoteRow {
  /**
   * @param {string} symbol
   * @param {(symbol: string) => void} remove
   */
  constructor(symbol, remove) {
    this.symbol = symbol;
    this.isVisible = false;
    this.flashEnd = 0;
    this.sparkline = new Sparkline();
    this.price = cell("price number");
    this.change = cell("change number");
    this.volume = cell("volume number");
    this.age = cell("age number");
    this.state = cell("state");
    this.currency = element("span", { class: "currency" });
    this.provider = element("span", { class: "tag", hidden: true });
    this.element = element(
      "tr",
      { role: "row", "data-symbol": symbol },
      element(
        "th",
        { class: "symbol", role: "rowheader", scope: "row" },
        symbolLink(symbol),
        this.currency,
        this.provider,
      ),
      this.price,
      this.change,
      element("td", { class: "course", role: "cell" }, this.sparkline.element),
      this.volume,
      this.age,
      this.state,
      element(
        "td",
        { class: "remove", role: "cell" },
        element("button", {
          type: "button",
          class: "quiet",
          "aria-label": `Remove ${symbol}`,
          click: () => remove(symbol),
        }, "×"),
      ),
    );
  }

  /**
   * Write the quote.
   *
   * @param {Quote} quote
   * @param {Context} context
   */
  write(quote, context) {
    setText(this.price, formatPrice(quote.price));
    setText(this.currency, quote.currency ?? "");
    setText(this.volume, formatVolume(quote.volume));
    setText(this.provider, isSimulated(quote) ? "simulated" : "");
    this.provider.hidden = !isSimulated(quote) || context.isAllSimulated;
    setAttribute(this.element, "data-empty", quote.price === null ? "" : null);
    this.#writeChange(quote);
    this.writeAge(quote, context);
  }

  /**
   * Write the age of the price, and since when and why it is stale.
   *
   * @param {Quote} quote
   * @param {Context} context
   */
  writeAge(quote, { health, isConnected, now }) {
    setText(this.age, quote.asOf === null ? "–" : formatDuration((now - quote.asOf) / 1000));
    const found = quote.price === null
      ? { kind: "stale", words: noPriceWords(quote, health, now) }
      : staleness(quote, health, isConnected, now);
    setAttribute(this.element, "data-staleness", found?.kind ?? null);
    setText(this.state, found ? sentence(stateWords(quote, found.words)) : quote.delayed ? "delayed" : "");
  }

  /**
   * Draw the course of the day.
   *
   * @param {import("./day_courses.js").Point[]} points
   * @param {Quote} quote
   */
  drawCourse(points, quote) {
    const prices = points.map(({ price }) => price).sort((one, other) => Number(one) - Number(other));
    const label = prices.length < 2
      ? "No course yet"
      : `Day: lowest ${formatPrice(prices[0])}, highest ${formatPrice(prices[prices.length - 1])}`;
    this.sparkline.draw(points, quote.previousClose === null ? null : Number(quote.previousClose), label);
  }

  /**
   * Light up the price for a moment.
   *
   * @param {"up" | "down"} direction
   */
  flash(direction) {
    setAttribute(this.price, "data-flash", direction);
    this.flashEnd = Date.now() + FLASH_FOR;
  }

  /** @param {number} now */
  endFlash(now) {
    if (!this.flashEnd || now < this.flashEnd) return;
    this.flashEnd = 0;
    setAttribute(this.price, "data-flash", null);
  }

  /** @param {Quote} quote */
  #writeChange({ price, previousClose }) {
    if (price === null || previousClose === null) {
      setText(this.change, "–");
      setAttribute(this.change, "data-direction", null);
      return;
    }
    const change = changeInBasisPoints(previousClose, price);
    setText(this.change, formatChange(change));
    setAttribute(this.change, "data-direction", change > 0n ? "up" : change < 0n ? "down" : null);
  }
}

/** @param {string} kind */
function cell(kind) {
  return element("td", { class: kind, role: "cell" });
}

/**
 * @param {Quote} quote
 * @param {string} words
 */
function stateWords(quote, words) {
  return quote.asOf === null ? words : `since ${formatRecent(quote.asOf, BROWSER_ZONE, "minutes")}: ${words}`;
}

/**
 * @param {Quote} quote
 * @param {import("../health.js").Health | null} health
 * @param {number} now
 */
function noPriceWords(quote, health, now) {
  const found = staleness({ ...quote, observedAt: 0 }, health, true, now);
  return found && found.words !== NO_REASON ? `no price yet: ${found.words}` : "no price yet";
}
