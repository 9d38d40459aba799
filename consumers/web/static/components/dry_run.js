// A dry run: when a rule would have fired on the stored prices, as words, on a chart and as a list. Nothing is stored.

import { CandleChart, chartWords, loadChartLibrary } from "./candle_chart.js";
import { element, setText } from "./dom.js";
import { moment } from "./moment.js";
import { failure, notice } from "./notice.js";
import { makeRow, makeTable, panel } from "./tables.js";
import { send } from "../api.js";
import { RANGES, readRange } from "../candles.js";
import { foreign, oneLine, sentence } from "../foreign_text.js";
import { countOf, formatPrice } from "../format.js";
import { thresholdsOf } from "../rule_marks.js";
import { BROWSER_ZONE, formatInstant } from "../time_zones.js";

const MOST_ROWS = 100;
const SINCE = {
  "7d": "the last week",
  "30d": "the last month",
  "90d": "the last three months",
  "365d": "the last year",
};

const COLUMNS = [
  { name: "time", label: "Time" },
  { name: "symbol", label: "Symbol" },
  { name: "price", label: "Price", isNumber: true },
  { name: "state", label: "State" },
  { name: "provider", label: "Provider" },
];

/** @typedef {Record<string, any>} DryRun - The document of `/v1/alert-rules/dry-run`. */

export class DryRunPanel {
  /**
   * @param {() => Record<string, unknown>} readFields - Returns the fields of the rule.
   * @param {(error: unknown) => boolean} showError - Shows an error at its field; returns false if it has none.
   */
  constructor(readFields, showError) {
    this.readFields = readFields;
    this.showError = showError;
    this.ending = new AbortController();
    /** @type {CandleChart | null} */
    this.chart = null;
    this.runs = 0;
    this.draws = 0;
    this.since = element(
      "select",
      { "aria-label": "Time that is tried" },
      ...Object.entries(SINCE).map(([value, label]) => element("option", { value, selected: value === "365d" }, label)),
    );
    this.button = element("button", { type: "button", click: () => this.run() }, "Try on stored prices");
    this.result = element("div", { class: "panel-body dry-run", role: "status" }, this.#invitation());
    this.canvas = element("div", { class: "chart", role: "img" });
    this.element = panel(
      "dry-run",
      "Dry run",
      [this.result],
      element("div", { class: "toolbar" }, this.since, this.button),
    );
  }

  close() {
    this.ending.abort();
    this.chart?.close();
  }

  /** Try the rule. */
  async run() {
    const run = ++this.runs;
    this.button.disabled = true;
    this.result.setAttribute("aria-busy", "true");
    if (!this.chart) this.result.replaceChildren(notice("loading", "Trying the rule on the stored prices…"));
    try {
      const found = await send("POST", "/v1/alert-rules/dry-run", { ...this.readFields(), since: this.since.value });
      if (run === this.runs && !this.ending.signal.aborted) await this.#show(found);
    } catch (error) {
      if (this.ending.signal.aborted) return;
      this.#forgetChart();
      const isShown = this.showError(error);
      this.result.replaceChildren(
        isShown ? this.#invitation() : failure("The rule could not be tried", error, () => this.run()),
      );
    } finally {
      this.button.disabled = false;
      this.result.removeAttribute("aria-busy");
    }
  }

  #invitation() {
    return element(
      "p",
      { class: "quiet-text" },
      "See when this rule would have fired, before you save it. Nothing is stored, and nobody is told.",
    );
  }

  /** @param {DryRun} found */
  async #show(found) {
    const words = element("p", { class: "dry-run-words" }, foreign(sentence(found.summary)), ".");
    const remarks = [
      found.cut ? element("p", { class: "quiet-text" }, `${sentence(found.cut)}.`) : null,
      ...found.suspected_splits.map(splitRemark),
    ].filter(Boolean);
    if (!found.symbols.length) {
      this.#forgetChart();
      const none = notice("empty", "There are no stored prices to try it on", "");
      none.append(
        element("p", {}, element("code", {}, "./stockwire backfill SYMBOL --since 365d"), " fetches past prices."),
      );
      this.result.replaceChildren(none);
      return;
    }
    const symbols = [...found.symbols].sort((one, other) => other.firings - one.firings);
    const chooser = symbols.length > 1 ? this.#chooser(symbols, found) : null;
    this.result.replaceChildren(
      words,
      ...remarks,
      ...(chooser ? [chooser] : []),
      this.canvas,
      firingTable(found.firings),
    );
    await this.#draw(symbols[0], found);
  }

  /**
   * @param {DryRun[]} symbols
   * @param {DryRun} found
   */
  #chooser(symbols, found) {
    const select = element(
      "select",
      { change: () => this.#draw(symbols[select.selectedIndex], found) },
      ...symbols.map(({ symbol, firings }) =>
        element("option", { value: symbol }, `${oneLine(symbol)}: ${countOf(firings, "firing")}`)
      ),
    );
    return element("label", { class: "field chart-symbol" }, element("span", {}, "Chart of"), select);
  }

  /**
   * Draw the prices of a symbol with the firings on it.
   *
   * @param {DryRun} symbol
   * @param {DryRun} found
   */
  async #draw({ symbol, first, last }, found) {
    const { signal } = this.ending;
    const draw = ++this.draws;
    const length = Math.max(Date.parse(last) - Date.parse(first), 1) + 60_000;
    const range = RANGES.find((each) => each.length >= length) ?? RANGES[RANGES.length - 1];
    try {
      const [library, { candles, timeframe }] = await Promise.all([
        loadChartLibrary(),
        readRange({
          symbol,
          range: { ...range, length },
          zone: BROWSER_ZONE,
          isAdjusted: true,
          newest: Date.parse(last),
          signal,
        }),
      ]);
      if (!candles.length || signal.aborted || draw !== this.draws || !this.canvas.isConnected) return;
      const marks = found.firings
        .filter((/** @type {any} */ firing) => firing.symbol === symbol)
        .map((/** @type {any} */ { as_of: at, state }) => ({ at: Date.parse(at), kind: state, text: "" }));
      this.chart ??= new CandleChart(library, this.canvas);
      this.chart.setCandles(candles, BROWSER_ZONE, timeframe.isDate);
      this.chart.restyle();
      const prices = thresholdsOf(found.when)?.prices ?? [];
      this.chart.setLevels(prices.map((price) => ({ price, title: "" })));
      this.chart.setMarks(marks);
      this.canvas.setAttribute(
        "aria-label",
        `${symbol}: ${chartWords(candles, BROWSER_ZONE)} ${countOf(marks.length, "mark")}.`,
      );
    } catch (error) {
      if (signal.aborted) return;
      this.#forgetChart();
      setText(this.canvas, `The chart could not be drawn: ${/** @type {Error} */ (error).message}`);
    }
  }

  #forgetChart() {
    this.chart?.close();
    this.chart = null;
    this.canvas.replaceChildren();
  }
}

/** @param {DryRun[]} firings */
function firingTable(firings) {
  if (!firings.length) return element("p", { class: "quiet-text" }, "It would not have fired.");
  const { table, body } = makeTable("When the rule would have fired, the newest first", COLUMNS, "firings");
  const newest = firings.slice(-MOST_ROWS).reverse();
  for (const { as_of: at, symbol, price, state, provider } of newest) {
    const tag = element(
      "span",
      { class: "tag", "data-kind": state === "firing" ? "bad" : "good" },
      state === "firing" ? "fires" : "is over",
    );
    body.append(makeRow(COLUMNS, [timeOf(at), foreign(symbol), formatPrice(price), tag, foreign(provider)]));
  }
  const words = firings.length > newest.length
    ? `The newest ${newest.length} of ${countOf(firings.length, "firing")}`
    : countOf(firings.length, "firing");
  return element(
    "details",
    { class: "firing-list" },
    element("summary", {}, words),
    element("div", { class: "table-frame" }, table),
  );
}

/**
 * Return the time of a price: the date of a daily bar, which has midnight in UTC, or else the instant.
 *
 * @param {string} at
 */
function timeOf(at) {
  if (!at.endsWith("T00:00:00Z")) return moment(at);
  return element("time", { datetime: at, title: at }, formatInstant(Date.parse(at), "UTC", "date"));
}

/** @param {DryRun} split */
function splitRemark({ symbol, as_of: at, previous_price: before, price, ratio }) {
  return element(
    "p",
    { class: "remark" },
    foreign(symbol),
    ` went from ${formatPrice(before)} to ${formatPrice(price)} (`,
    moment(at),
    `), which may be a split of ${ratio}: the rule was held from then on. If it was one, `,
    element("code", {}, `./stockwire splits add ${oneLine(symbol)} ${at.slice(0, 10)} ${ratio}`),
    " makes the prices before comparable.",
  );
}
