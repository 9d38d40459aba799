// The chart with its legend, its words for screen readers, its table, and the states without candles.

import { CandleChart, chartWords } from "./candle_chart.js";
import { element, setText } from "./dom.js";
import { notice } from "./notice.js";
import { countOf, formatPrice, formatVolume, groupDigits } from "../format.js";
import { formatInstant } from "../time_zones.js";

const MOST_ROWS = 500;
const OLD_AFTER = 3 * 24 * 3_600_000; // milliseconds

/** @typedef {import("../candles.js").Candle} Candle */
/** @typedef {import("../candles.js").Timeframe} Timeframe */

export class CandlePanel {
  /** @param {(candle: Candle) => void} onChoose - Called with the candle that was clicked, or chosen by Enter. */
  constructor(onChoose) {
    this.onChoose = onChoose;
    /** @type {CandleChart | null} */
    this.chart = null;
    /** @type {Timeframe | null} */
    this.timeframe = null;
    this.place = -1;
    this.ageWords = "";
    this.rulesWords = "";
    this.legend = element("p", { class: "legend number", role: "status" });
    this.remark = element("p", { class: "chart-remark quiet-text" });
    this.canvas = element("div", {
      class: "chart",
      role: "group",
      tabindex: 0,
      "aria-roledescription": "chart",
      "aria-label": "Candles",
      keydown: (event) => this.#key(/** @type {KeyboardEvent} */ (event)),
    });
    this.table = element("div", {
      class: "table-frame candle-table",
      role: "region",
      "aria-label": "Candles as a table",
      tabindex: 0,
    });
    this.tableDetails = element(
      "details",
      { toggle: () => this.#fillTable() },
      element("summary", {}, "Candles as a table"),
      this.table,
    );
    this.state = element("div", { class: "chart-state" });
    this.content = element(
      "div",
      { class: "chart-content" },
      this.legend,
      this.canvas,
      element(
        "p",
        { class: "chart-hint quiet-text" },
        "Click a candle, or use the arrow keys and Enter, to see the prices that it is made of.",
      ),
      this.remark,
      this.tableDetails,
    );
    this.element = element("div", { class: "candle-panel" }, this.state, this.content);
    this.content.hidden = true;
  }

  close() {
    this.chart?.close();
    this.chart = null;
  }

  /** Say that candles are on their way; candles that are shown already stay. */
  showLoading() {
    this.element.setAttribute("aria-busy", "true");
    if (this.content.hidden) this.state.replaceChildren(notice("loading", "Loading candles…"));
  }

  /** @param {HTMLElement} words */
  showNotice(words) {
    this.element.removeAttribute("aria-busy");
    this.content.hidden = true;
    this.state.replaceChildren(words);
  }

  /**
   * @param {any} library - The loaded library of charts.
   * @param {Candle[]} candles - At least one.
   * @param {string} zone
   * @param {Timeframe} timeframe
   * @param {number} newest - The instant of the newest price.
   */
  showCandles(library, candles, zone, timeframe, newest) {
    this.timeframe = timeframe;
    this.place = -1;
    this.element.removeAttribute("aria-busy");
    this.state.replaceChildren();
    this.content.hidden = false;
    this.chart ??= new CandleChart(library, this.canvas, (candle) => this.#writeLegend(candle), this.onChoose);
    this.chart.setCandles(candles, zone, timeframe.isDate);
    const isOld = Date.now() - newest > OLD_AFTER;
    this.ageWords = isOld
      ? `The newest stored price is of ${formatInstant(newest, zone, "minutes")}; the chart ends there.`
      : "";
    setText(this.remark, this.ageWords);
    this.#describe();
  }

  /** @param {Candle} candle */
  updateCandle(candle) {
    this.chart?.updateCandle(candle);
    if (this.place < 0) this.#writeLegend(null);
  }

  /** @param {Candle[]} candles */
  replaceCandles(candles) {
    this.chart?.replaceCandles(candles);
    this.#describe();
  }

  /**
   * @param {import("./candle_chart.js").Level[]} levels
   * @param {import("./candle_chart.js").Mark[]} marks
   */
  showRules(levels, marks) {
    this.chart?.setLevels(levels);
    this.chart?.setMarks(marks);
    this.rulesWords = [
      levels.length
        ? `Thresholds: ${levels.map(({ title, price }) => `${title} ${groupDigits(price)}`).join(", ")}.`
        : "",
      marks.length ? `${countOf(marks.length, "alert")} ${marks.length === 1 ? "is" : "are"} marked.` : "",
    ].join(" ");
    setText(this.remark, this.ageWords);
    this.#describe();
  }

  /** @param {string} words */
  showRulesError(words) {
    setText(this.remark, `${this.ageWords} Thresholds and alerts could not be loaded: ${words}`.trim());
  }

  #describe() {
    if (!this.chart?.candles.length) return;
    const words = `${chartWords(this.chart.candles, this.chart.zone)} ${this.rulesWords}`;
    this.canvas.setAttribute("aria-label", words.trim());
    if (this.place < 0) this.#writeLegend(null);
    this.#fillTable();
  }

  /** @param {Candle | null} candle - Null shows the last one. */
  #writeLegend(candle) {
    const shown = candle ?? this.chart?.candles[this.chart.candles.length - 1];
    if (!shown) return;
    const parts = [
      this.#when(shown),
      ...["open", "high", "low", "close"].map((name) =>
        `${name[0].toUpperCase()} ${formatPrice(/** @type {any} */ (shown)[name])}`
      ),
      shown.volume === null ? "" : `Vol ${formatVolume(shown.volume)}`,
    ];
    this.legend.replaceChildren(...parts.filter(Boolean).map((part) => element("span", {}, part)));
  }

  /** @param {Candle} candle */
  #when(candle) {
    const { chart, timeframe } = this;
    if (!chart || !timeframe) return "";
    if (!timeframe.isDate) return formatInstant(candle.at, chart.zone, chart.precision);
    return formatInstant(chart.times[chart.candles.indexOf(candle)] * 1000 || candle.at, "UTC", "date");
  }

  #fillTable() {
    if (!this.tableDetails.open || !this.chart) return;
    const candles = this.chart.candles.slice(-MOST_ROWS).reverse();
    const columns = ["open", "high", "low", "close"];
    this.table.replaceChildren(
      element(
        "table",
        {},
        element("caption", { class: "spoken" }, `The newest ${candles.length} candles, newest first`),
        element(
          "thead",
          {},
          element(
            "tr",
            {},
            element("th", { scope: "col" }, "Start"),
            ...["Open", "High", "Low", "Close", "Volume", "Prices"].map((label) =>
              element("th", { scope: "col", class: "number" }, label)
            ),
          ),
        ),
        element(
          "tbody",
          {},
          ...candles.map((candle) =>
            element(
              "tr",
              {},
              element("th", { scope: "row" }, this.#when(candle)),
              ...columns.map((name) =>
                element("td", { class: "number" }, formatPrice(/** @type {any} */ (candle)[name]))
              ),
              element("td", { class: "number" }, candle.volume === null ? "–" : groupDigits(candle.volume)),
              element("td", { class: "number" }, groupDigits(candle.samples)),
            )
          ),
        ),
      ),
    );
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (!this.chart) return;
    const last = this.chart.candles.length - 1;
    const from = this.place < 0 ? last : this.place;
    const places = /** @type {Record<string, number>} */ ({
      ArrowLeft: this.place < 0 ? last : Math.max(0, from - 1),
      ArrowRight: Math.min(last, from + 1),
      Home: 0,
      End: last,
    });
    if (event.key in places) {
      event.preventDefault();
      this.place = places[event.key];
      this.chart.pointAt(this.place);
      this.#writeLegend(this.chart.candles[this.place]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.onChoose(this.chart.candles[from]);
    }
  }
}
