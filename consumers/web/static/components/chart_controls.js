// The choices above a chart: the range of time, the time zone, and prices adjusted for splits or not.

import { element } from "./dom.js";
import { RANGES } from "../candles.js";
import { BROWSER_ZONE } from "../time_zones.js";

const ZONE_KEY = "stockwire-zone";

/** @typedef {import("../candles.js").Range} Range */

export class ChartControls {
  /** @param {() => void} changed - Called after each choice. */
  constructor(changed) {
    /** @type {string | null} */
    this.marketZone = null;
    this.changed = changed;
    this.radios = RANGES.map((range, place) =>
      element("input", { type: "radio", name: "range", value: range.name, checked: place === 0, change: changed })
    );
    this.zones = element("select", { change: () => this.#chooseZone() });
    this.adjusted = element("input", { type: "checkbox", change: changed });
    this.#fillZones();
    this.element = element(
      "div",
      { class: "panel-header chart-controls" },
      element(
        "fieldset",
        { class: "choices" },
        element("legend", { class: "spoken" }, "Time shown"),
        ...RANGES.map((range, place) =>
          element(
            "label",
            {},
            this.radios[place],
            element("span", { "aria-hidden": "true" }, range.name),
            element("span", { class: "spoken" }, range.words),
          )
        ),
      ),
      element("label", { class: "check" }, this.adjusted, "Adjusted for splits"),
      element("label", { class: "zone" }, element("span", { class: "quiet-text" }, "Time zone"), this.zones),
    );
  }

  /** What is chosen now. */
  get choice() {
    const place = this.radios.findIndex((radio) => radio.checked);
    return { range: RANGES[place], zone: this.zone, isAdjusted: this.adjusted.checked };
  }

  get zone() {
    return this.zones.value || BROWSER_ZONE;
  }

  /** @param {Range} range */
  setRange(range) {
    this.radios[RANGES.indexOf(range)].checked = true;
  }

  /**
   * Offer the zone of the market, if there is a market.
   *
   * @param {string | null} zone
   */
  setMarketZone(zone) {
    if (zone === this.marketZone) return;
    this.marketZone = zone;
    const before = this.zone;
    this.#fillZones();
    if (this.zone !== before) this.changed();
  }

  #fillZones() {
    const kept = localStorage.getItem(ZONE_KEY);
    const offered = new Map([[BROWSER_ZONE, `${BROWSER_ZONE} (browser)`]]);
    if (!offered.has("UTC")) offered.set("UTC", "UTC");
    if (this.marketZone !== null) offered.set(this.marketZone, `${this.marketZone} (market)`);
    const chosen = kept !== null && offered.has(kept) ? kept : this.marketZone ?? BROWSER_ZONE;
    this.zones.replaceChildren(
      ...[...offered].map(([value, label]) => element("option", { value, selected: value === chosen }, label)),
    );
  }

  #chooseZone() {
    localStorage.setItem(ZONE_KEY, this.zone);
    this.changed();
  }
}
