// Notifications of the browser about alerts, for as long as this page is open in a tab. The permission is asked for only
// on a click.

import { alertOfEvent } from "./components/alert_feed.js";
import { oneLine } from "./foreign_text.js";
import { countOf } from "./format.js";
import { Listeners } from "./listeners.js";

const WISH_KEY = "stockwire-notifications";
/** Alerts that come together are told together. Milliseconds. */
const TOGETHER = 500;
const MOST_AT_ONCE = 3;

/** @typedef {"on" | "off" | "blocked" | "missing"} NotificationState */

export class AlertNotifications {
  /** @param {import("./live.js").LiveEvents} live */
  constructor(live) {
    /** @type {Listeners<[NotificationState]>} */
    this.changes = new Listeners();
    /** @type {import("./components/alert_feed.js").Alert[]} */
    this.waiting = [];
    this.timer = 0;
    live.events.add((kind, event) => kind === "alert" && this.#take(event));
  }

  /** @returns {NotificationState} */
  get state() {
    if (!("Notification" in globalThis)) return "missing";
    if (Notification.permission === "denied") return "blocked";
    return Notification.permission === "granted" && localStorage.getItem(WISH_KEY) === "on" ? "on" : "off";
  }

  /** Turn the notifications on or off. Call this from a click: the browser may have to ask for the permission. */
  async toggle() {
    if (this.state === "on") {
      localStorage.removeItem(WISH_KEY);
    } else if (this.state === "off") {
      if ((await Notification.requestPermission()) === "granted") localStorage.setItem(WISH_KEY, "on");
    }
    this.changes.call(this.state);
  }

  /** @param {import("./live.js").CloudEvent} event */
  #take(event) {
    const alert = alertOfEvent(event);
    if (this.state !== "on" || alert.silenced) return;
    this.waiting.push(alert);
    this.timer ||= setTimeout(() => this.#tell(), TOGETHER);
  }

  #tell() {
    this.timer = 0;
    const alerts = this.waiting.splice(0);
    if (alerts.length > MOST_AT_ONCE) {
      const names = [...new Set(alerts.map(({ rule }) => oneLine(rule)))].slice(0, 5).join(", ");
      show(`${countOf(alerts.length, "alert")} from Stockwire`, names, "stockwire-alerts");
      return;
    }
    for (const { key, rule, state, symbol, price, message } of alerts) {
      const ending = state === "resolved" ? " is over" : "";
      show(`${oneLine(rule)}${ending}`, oneLine(message || [symbol, price].filter(Boolean).join(" ")), key);
    }
  }
}

/**
 * @param {string} title
 * @param {string} body
 * @param {string} tag - A notification of the same tag takes the place of the one before.
 */
function show(title, body, tag) {
  const shown = new Notification(title, { body, tag, icon: "favicon.svg" });
  shown.addEventListener("click", () => {
    focus();
    location.hash = "#/alerts";
    shown.close();
  });
}
