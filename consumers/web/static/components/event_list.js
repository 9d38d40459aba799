// The newest events of a symbol, or those of a candle, each with its provenance: provider, delay, event id.

import { Problem, read, symbolPath, withQuery } from "../api.js";
import { element, setText } from "./dom.js";
import { failure, notice } from "./notice.js";
import { foreign } from "../foreign_text.js";
import { formatDelay, formatPrice } from "../format.js";
import { oncePerFrame } from "../frames.js";
import { formatInstant, formatRecent } from "../time_zones.js";

const NEWEST = 20;
const MOST_OF_SPAN = 200;
const DAY = 24 * 3_600_000; // milliseconds

/** @typedef {import("../candles.js").Candle} Candle */
/** @typedef {{id: string, as_of: string, price: string, currency: string | null, provider: string, observed_at: string, interval: string | null}} Row */

export class EventList {
  /**
   * @param {string} symbol
   * @param {import("./chart_controls.js").ChartControls} controls - They know the time zone.
   */
  constructor(symbol, controls) {
    this.symbol = symbol;
    this.controls = controls;
    this.reading = new AbortController();
    /** @type {Row[]} */
    this.rows = [];
    this.isNewest = true;
    this.writeSoon = oncePerFrame(() => this.#write());
    this.heading = element("h2", {}, "Newest events");
    this.back = element(
      "button",
      { type: "button", class: "quiet", hidden: true, click: () => this.load() },
      "Show the newest",
    );
    this.body = element("tbody");
    this.content = element("div", {}, notice("loading", "Loading events…"));
    this.table = element(
      "div",
      { class: "table-frame" },
      element(
        "table",
        { class: "events" },
        element("caption", { class: "spoken" }, "Events with their provenance"),
        element(
          "thead",
          {},
          element(
            "tr",
            {},
            element("th", { scope: "col" }, "Price of"),
            element("th", { scope: "col", class: "number" }, "Price"),
            element("th", { scope: "col" }, "Provider"),
            element("th", { scope: "col", class: "number" }, "Delay"),
            element("th", { scope: "col" }, "Observed"),
            element("th", { scope: "col" }, "Event id"),
          ),
        ),
        this.body,
      ),
    );
    this.element = element(
      "section",
      { class: "panel event-list", "aria-label": "Events" },
      element("div", { class: "panel-header" }, this.heading, this.back),
      this.content,
    );
  }

  close() {
    this.reading.abort();
  }

  /** Read the newest events. */
  load() {
    this.isNewest = true;
    this.#read("Newest events", { limit: NEWEST }, () => this.load());
  }

  /**
   * Show the events of which a candle is made.
   *
   * @param {Candle} candle
   * @param {number | null} end - The begin of the next candle; null for the last candle.
   * @param {boolean} isDate
   */
  showSpan(candle, end, isDate) {
    this.isNewest = false;
    const zone = this.controls.zone;
    const title = `${candle.samples === 1 ? "The price" : "Prices"} of the candle of ${
      formatInstant(candle.at, zone, isDate ? "date" : "minutes")
    }`;
    // A daily bar lies at midnight UTC of its date, which in other zones is outside the candle.
    const start = isDate ? candle.at - DAY : candle.at;
    const parameters = {
      start: new Date(start).toISOString(),
      end: end && new Date(end).toISOString(),
      limit: MOST_OF_SPAN,
    };
    this.#read(title, parameters, () => this.showSpan(candle, end, isDate));
    this.element.scrollIntoView({ block: "nearest" });
  }

  /**
   * Put a live event on top of the newest ones.
   *
   * @param {Record<string, any>} event
   */
  takeLive({ id, time, data }) {
    if (!this.isNewest || this.rows.some((row) => row.id === id)) return;
    this.rows = [{ ...data, id, observed_at: time }, ...this.rows].slice(0, NEWEST);
    this.writeSoon();
  }

  /**
   * @param {string} title
   * @param {Record<string, string | number | null>} parameters
   * @param {() => void} retry
   */
  async #read(title, parameters, retry) {
    this.reading.abort();
    this.reading = new AbortController();
    const { signal } = this.reading;
    setText(this.heading, title);
    this.back.hidden = this.isNewest;
    try {
      const path = `/v1/provenance/${symbolPath(this.symbol)}`;
      const { prices } = await read(withQuery(path, { ...parameters, sort: "desc" }), { signal });
      this.rows = prices;
      this.#write();
    } catch (error) {
      if (signal.aborted) return;
      const isUnknown = error instanceof Problem && error.status === 404;
      this.content.replaceChildren(
        isUnknown ? notice("empty", "No events yet") : failure("The events could not be loaded", error, retry),
      );
    }
  }

  #write() {
    if (!this.rows.length) {
      this.content.replaceChildren(notice("empty", "No events", "The history has no prices of this time."));
      return;
    }
    const zone = this.controls.zone;
    this.body.replaceChildren(...this.rows.map((row) => eventRow(row, zone)));
    if (!this.table.isConnected) this.content.replaceChildren(this.table);
  }
}

/**
 * @param {Row} row
 * @param {string} zone
 */
function eventRow(row, zone) {
  const [asOf, observed] = [Date.parse(row.as_of), Date.parse(row.observed_at)];
  const isDay = row.interval !== null && row.interval !== undefined && asOf % DAY === 0;
  const when = isDay ? formatInstant(asOf, "UTC", "date") : formatRecent(asOf, zone, "seconds");
  return element(
    "tr",
    {},
    element("td", {}, when, row.interval ? element("span", { class: "tag" }, `${row.interval} bar`) : null),
    element(
      "td",
      { class: "number" },
      formatPrice(row.price),
      " ",
      element("span", { class: "quiet-text" }, row.currency ?? ""),
    ),
    element("td", {}, foreign(row.provider)),
    element("td", { class: "number" }, row.interval ? "–" : formatDelay(observed - asOf)),
    element("td", {}, formatRecent(observed, zone, "milliseconds")),
    element("td", { class: "mono" }, row.id),
  );
}
