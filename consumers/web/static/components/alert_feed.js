// The feed of alerts: the newest first, and those that come live on top of them.

import { element, setAttribute } from "./dom.js";
import { moment } from "./moment.js";
import { failure, notice } from "./notice.js";
import { symbolLink } from "./symbol_link.js";
import { panel } from "./tables.js";
import { read, withQuery } from "../api.js";
import { foreign } from "../foreign_text.js";
import { formatPrice } from "../format.js";

const MOST = 100;
const GATHER_FOR = 100; // milliseconds

/**
 * An alert, or the news that rules are held.
 *
 * @typedef {object} Alert
 * @property {string} key - The same for an alert from the database and from the live events.
 * @property {"firing" | "resolved" | "held"} state
 * @property {string} rule
 * @property {string} symbol
 * @property {string | null} price
 * @property {string} message
 * @property {string} at
 * @property {boolean} silenced
 */

export class AlertFeed {
  constructor() {
    /** @type {Map<string, HTMLElement>} */
    this.items = new Map();
    /** @type {Alert[]} */
    this.arrived = [];
    this.timer = 0;
    this.ending = new AbortController();
    this.list = element("ol", {});
    const about = { class: "feed", role: "log", tabindex: 0, "aria-label": "Alerts, the newest first" };
    this.log = element("div", { ...about, "aria-live": "off" }, this.list);
    this.state = element("div", {}, notice("loading", "Loading the alerts…"));
    this.element = panel("alert-feed", "Alerts", [this.state, this.log]);
  }

  close() {
    this.ending.abort();
    clearTimeout(this.timer);
  }

  /** Read the newest alerts. */
  async load() {
    const { signal } = this.ending;
    try {
      const { alerts } = await read(withQuery("/v1/alerts", { limit: MOST, sort: "desc" }), { signal });
      for (const row of alerts.reverse()) this.add(alertOfRow(row));
      this.#writeState();
    } catch (error) {
      if (!signal.aborted) {
        this.state.replaceChildren(failure("The alerts could not be loaded", error, () => this.load()));
      }
    }
  }

  /**
   * Take an alert that has just come. Thousands may come at once, so they are gathered, and only the newest are shown.
   *
   * @param {Alert} alert
   */
  take(alert) {
    this.arrived.push(alert);
    if (this.arrived.length > MOST) this.arrived.shift();
    this.timer ||= setTimeout(() => {
      this.timer = 0;
      for (const each of this.arrived.splice(0)) this.add(each, true);
    }, GATHER_FOR);
  }

  /**
   * Put an alert on top, unless it is there already.
   *
   * @param {Alert} alert
   * @param {boolean} [isNew] - True for an alert that has just come.
   */
  add(alert, isNew = false) {
    if (this.items.has(alert.key)) return;
    const item = feedItem(alert);
    if (isNew) item.dataset.new = "";
    this.items.set(alert.key, item);
    this.list.prepend(item);
    while (this.items.size > MOST) {
      const [[oldest]] = this.items;
      this.items.get(oldest)?.remove();
      this.items.delete(oldest);
    }
    if (isNew) this.#writeState();
  }

  #writeState() {
    const isEmpty = !this.items.size;
    this.state.replaceChildren(
      ...(isEmpty ? [notice("empty", "No alerts yet", "The alerts of your rules show here as they come.")] : []),
    );
    this.log.hidden = isEmpty;
    // From now on screen readers read what comes.
    setAttribute(this.log, "aria-live", "polite");
  }
}

/**
 * Return the alert of a live event.
 *
 * @param {import("../live.js").CloudEvent} event
 * @returns {Alert}
 */
export function alertOfEvent({ type, data, time }) {
  if (type === "RULES_HELD") return heldAlert(data, time);
  return alertOfRow({ ...data, triggered_at: data.triggered_at ?? time });
}

/**
 * @param {Record<string, any>} row - The data of a PRICE_ALERT.
 * @returns {Alert}
 */
function alertOfRow(row) {
  return {
    key: JSON.stringify([row.rule_id, row.symbol, row.state, Date.parse(row.as_of), Date.parse(row.triggered_at)]),
    state: row.state,
    rule: row.rule_name,
    symbol: row.symbol,
    price: row.price ?? null,
    message: row.message ?? row.terms ?? "",
    at: row.triggered_at,
    silenced: Boolean(row.silenced),
  };
}

/**
 * @param {Record<string, any>} data - The data of a RULES_HELD.
 * @param {string} time
 * @returns {Alert}
 */
function heldAlert(data, time) {
  return {
    key: JSON.stringify(["held", data.symbol, Date.parse(data.as_of ?? time)]),
    state: "held",
    rule: "Rules are held",
    symbol: data.symbol,
    price: data.price,
    message: `The price went from ${data.previous_price} to ${data.price}, which may be a split.`,
    at: time,
    silenced: false,
  };
}

/** @param {Alert} alert */
function feedItem({ state, rule, symbol, price, message, at, silenced }) {
  const kind = { firing: "bad", resolved: "good", held: "warning" }[state];
  return element(
    "li",
    { class: "feed-item", "data-state": state },
    element(
      "p",
      { class: "feed-head" },
      element("span", { class: "tag", "data-kind": kind }, state),
      foreign(rule, "feed-rule"),
      silenced ? element("span", { class: "tag" }, "silenced") : null,
      element("span", { class: "feed-time quiet-text" }, moment(at)),
    ),
    element(
      "p",
      { class: "feed-words" },
      symbolLink(symbol),
      price === null || message.includes(price) ? null : ` ${formatPrice(price)}`,
      message ? " · " : null,
      message ? foreign(message) : null,
    ),
  );
}
