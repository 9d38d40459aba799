// One symbol: its newest price, candles with the thresholds and firings of its rules, the newest events, and for any
// candle the prices it is made of.

import { Problem, read, withQuery } from "../api.js";
import { continueCandle, RANGES, readCandles, readRange, replaceTail } from "../candles.js";
import { loadChartLibrary } from "../components/candle_chart.js";
import { CandlePanel } from "../components/candle_panel.js";
import { ChartControls } from "../components/chart_controls.js";
import { element } from "../components/dom.js";
import { EventList } from "../components/event_list.js";
import { failure, notice } from "../components/notice.js";
import { QuoteHeader } from "../components/quote_header.js";
import { symbolLink } from "../components/symbol_link.js";
import { readLevels, readMarks } from "../rule_marks.js";

// Milliseconds.
const READ_TAIL_EVERY = 5000;
const READ_RULES_EVERY = 15_000;
/** Many alerts may come together; the rules are read once for all of them. */
const AFTER_ALERT = 400;

/** @param {string} symbol */
export function title(symbol) {
  return symbol;
}

/**
 * @param {HTMLElement} root
 * @param {import("../app.js").App} app
 * @param {string} symbol
 * @returns {() => void}
 */
export function show(root, app, symbol) {
  const view = new SymbolView(root, app, symbol);
  view.start();
  return () => view.close();
}

class SymbolView {
  /**
   * @param {HTMLElement} root
   * @param {import("../app.js").App} app
   * @param {string} symbol
   */
  constructor(root, app, symbol) {
    this.app = app;
    this.symbol = symbol;
    /** @type {AbortController} - Ends the reading of a range when another one is chosen, or the view is left. */
    this.loading = new AbortController();
    this.header = new QuoteHeader(app, symbol);
    this.controls = new ChartControls(() => this.load());
    this.panel = new CandlePanel((candle) => this.#showProvenance(candle));
    this.events = new EventList(symbol, this.controls);
    /** @type {import("../candles.js").Timeframe | null} */
    this.timeframe = null;
    this.isTailOld = false;
    this.isFailed = false;
    this.rulesTimer = 0;
    root.append(
      this.header.element,
      element(
        "section",
        { class: "panel chart-panel", "aria-label": "Candles" },
        this.controls.element,
        this.panel.element,
      ),
      this.events.element,
    );
    this.timers = [
      setInterval(() => this.#readTail(), READ_TAIL_EVERY),
      setInterval(() => this.#readRules(), READ_RULES_EVERY),
    ];
    this.stopListening = [
      app.store.changes.add((quote, before, isLive) => {
        if (!isLive || quote.symbol !== symbol) return;
        if (this.isFailed) this.start();
        else this.#take(quote, before);
      }),
      app.live.events.add((kind, event) => {
        if (kind === "price" && event.data.symbol === symbol) this.events.takeLive(event);
        if (kind === "alert" && event.data.symbol === symbol) this.#readRulesSoon();
      }),
      app.live.caughtUp.add(() => this.start()),
      app.live.connections.add(({ state }) => {
        if (state === "live" && this.isFailed) this.start();
      }),
      app.health.listen((health) => this.controls.setMarketZone(health?.market?.zone ?? null)),
    ];
  }

  start() {
    this.load(!this.timeframe);
    if (this.events.isNewest) this.events.load();
  }

  close() {
    this.loading.abort();
    clearTimeout(this.rulesTimer);
    for (const timer of this.timers) clearInterval(timer);
    for (const stop of this.stopListening) stop();
    this.header.close();
    this.panel.close();
    this.events.close();
  }

  /**
   * Read the candles of the chosen range.
   *
   * @param {boolean} [isFirst] - True if the first range that has candles may be shown instead of an empty one.
   */
  async load(isFirst = false) {
    this.loading.abort();
    this.loading = new AbortController();
    const { signal } = this.loading;
    this.panel.showLoading();
    try {
      const [library, { newest, candles, timeframe }] = await Promise.all([
        loadChartLibrary(),
        this.#readCandles(signal, isFirst),
      ]);
      if (signal.aborted) return;
      this.timeframe = timeframe;
      this.isFailed = false;
      this.#showCandles(library, candles, newest);
      await this.#readRules();
    } catch (error) {
      if (signal.aborted) return;
      this.isFailed = true;
      if (error instanceof Problem && error.status === 404) this.panel.showNotice(unknownSymbol(error));
      else this.panel.showNotice(failure("The candles could not be loaded", error, () => this.load()));
    }
  }

  /**
   * Read the candles up to the newest price.
   *
   * @param {AbortSignal} signal
   * @param {boolean} isFirst
   */
  async #readCandles(signal, isFirst) {
    const newest = await this.#readNewest(signal);
    return { newest, ...await this.#readFirstFilled(newest, signal, isFirst) };
  }

  /**
   * Return the instant of the newest price, with which the range ends. It is known already if the symbol was seen.
   *
   * @param {AbortSignal} signal
   */
  async #readNewest(signal) {
    const known = this.app.store.quotes.get(this.symbol)?.asOf;
    if (known && this.timeframe) return known;
    const query = { symbols: this.symbol };
    const [{ prices }, { previous_closes: closes }] = await Promise.all([
      read(withQuery("/v1/latest", query), { signal }),
      read(withQuery("/v1/previous-closes", query), { signal }),
    ]);
    this.app.store.takeRow({ ...prices[0], previous_close: closes[this.symbol] });
    return Date.parse(prices[0].as_of);
  }

  /**
   * @param {number} newest
   * @param {AbortSignal} signal
   * @param {boolean} isFirst
   */
  async #readFirstFilled(newest, signal, isFirst) {
    const { range: chosen, zone, isAdjusted } = this.controls.choice;
    const wanted = { symbol: this.symbol, zone, isAdjusted, newest, signal };
    const from = RANGES.indexOf(chosen);
    for (const range of isFirst ? RANGES.slice(from) : []) {
      const found = await readRange({ ...wanted, range });
      if (found.candles.length > 1) {
        this.controls.setRange(range);
        return found;
      }
    }
    return readRange({ ...wanted, range: chosen });
  }

  /**
   * @param {any} library
   * @param {import("../candles.js").Candle[]} candles
   * @param {number} newest
   */
  #showCandles(library, candles, newest) {
    const { range, zone } = this.controls.choice;
    if (candles.length && this.timeframe) {
      this.panel.showCandles(library, candles, zone, this.timeframe, newest);
    } else {
      const words = `The history has no prices of ${this.symbol} short enough for candles of ${range.words}.`;
      this.panel.showNotice(notice("empty", "No candles", `${words} Choose a longer time.`));
    }
  }

  /**
   * Continue the last candle by a live price.
   *
   * @param {import("../store.js").Quote} quote
   * @param {import("../store.js").Quote | undefined} before
   */
  #take(quote, before) {
    this.isTailOld = true;
    const { chart } = this.panel;
    if (!chart || !this.timeframe || quote.price === null) return;
    // A bar covers more than its close, and prices of the simulation never mix with real ones: the server sorts that out.
    if (quote.interval !== null || !before || before.provider !== quote.provider || before.asOf === quote.asOf) return;
    const candle = continueCandle(chart.candles[chart.candles.length - 1], quote, this.timeframe, chart.zone);
    if (candle) this.panel.updateCandle(candle);
  }

  /** Read the last two candles again if prices have come: the server counts volumes, bars and late prices too. */
  async #readTail() {
    const { chart } = this.panel;
    if (!this.isTailOld || !chart || !this.timeframe || !chart.candles.length) return;
    this.isTailOld = false;
    const { signal } = this.loading;
    const { zone, isAdjusted } = this.controls.choice;
    const start = chart.candles[Math.max(0, chart.candles.length - 2)].at;
    try {
      const tail = await readCandles({ symbol: this.symbol, zone, isAdjusted, signal }, this.timeframe, start);
      if (!signal.aborted) this.panel.replaceCandles(replaceTail(chart.candles, tail));
    } catch {
      this.isTailOld = true; // read with the next one
    }
  }

  #readRulesSoon() {
    this.rulesTimer ||= setTimeout(() => {
      this.rulesTimer = 0;
      this.#readRules();
    }, AFTER_ALERT);
  }

  /** Draw the thresholds and the firings of the rules that concern the symbol. */
  async #readRules() {
    const { chart } = this.panel;
    if (!chart || !chart.candles.length) return;
    const { signal } = this.loading;
    try {
      const [levels, marks] = await Promise.all([
        readLevels(this.symbol, signal),
        readMarks(this.symbol, chart.candles[0].at, signal),
      ]);
      if (signal.aborted) return;
      this.panel.showRules(levels, marks);
    } catch (error) {
      if (!signal.aborted) this.panel.showRulesError(/** @type {Error} */ (error).message);
    }
  }

  /** @param {import("../candles.js").Candle} candle */
  #showProvenance(candle) {
    const { chart } = this.panel;
    if (!chart || !this.timeframe) return;
    const place = chart.candles.findIndex((each) => each.at === candle.at);
    const end = chart.candles[place + 1]?.at ?? null;
    this.events.showSpan(candle, end, this.timeframe.isDate);
  }
}

/**
 * Return the notice for a symbol without stored prices, with links to those that are like it.
 *
 * @param {Problem} problem
 */
function unknownSymbol(problem) {
  const words = `${problem.message}. The first price of a watched symbol comes with the next sync.`;
  const shown = notice("empty", "No prices yet", words.replace("?.", "?"));
  const near = problem.details.nearest ?? [];
  if (near.length) {
    const links = near.map(symbolLink);
    shown.append(element("p", { class: "near-symbols" }, ...links));
  }
  return shown;
}
