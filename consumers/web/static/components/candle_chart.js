// Candles and volumes on a canvas, by lightweight-charts. The library is loaded when the first chart is shown.
//
// The horizontal axis counts candles, so closed hours take no space.

import { isMostlyFlat } from "../candles.js";
import { countOf, digitsAfterPoint, groupDigits } from "../format.js";
import { chartTime, formatInstant } from "../time_zones.js";

/** @typedef {import("../candles.js").Candle} Candle */
/** @typedef {{price: string, title: string, isQuiet?: boolean}} Level - A quiet one is drawn pale. */
/** @typedef {{at: number, text: string, kind: "firing" | "resolved"}} Mark */

/** A level is shown if it is at most this many times the range of the candles away from them. */
const NEAR = 0.5;
/** The room right of the last candle, as a part of the chart, for the text of a mark. */
const ROOM = 0.03;
/** Pixels, and the characters of a text on a narrower and on a wider chart. */
const NARROW = 600;
const LONGEST_NARROW = 14;
const LONGEST_WIDE = 32;

/** @returns {Promise<any>} The module of the library. */
export function loadChartLibrary() {
  const path = "../vendor/lightweight-charts.standalone.production.mjs";
  return import(path);
}

/** A chart of candles. Make it with the loaded library in an element that has a size. */
export class CandleChart {
  /**
   * @param {any} library
   * @param {HTMLElement} container
   * @param {(candle: Candle | null) => void} [onPoint] - Called with the candle under the pointer, null without one.
   * @param {(candle: Candle) => void} [onChoose] - Called with the candle that was clicked.
   */
  constructor(library, container, onPoint = () => {}, onChoose = () => {}) {
    this.library = library;
    this.container = container;
    this.zone = "UTC";
    this.isDate = false;
    /** @type {"date" | "minutes" | "seconds"} - Of the times that are shown. */
    this.precision = "minutes";
    /** @type {Candle[]} */
    this.candles = [];
    /** @type {number[]} - The chart's time of each candle. */
    this.times = [];
    /** @type {Map<number, Candle>} - By the chart's time. */
    this.byTime = new Map();
    /** @type {any[]} */
    this.lines = [];
    /** @type {Level[]} */
    this.levels = [];
    /** @type {Mark[]} */
    this.marks = [];
    this.isLine = false;
    this.volumeColors = { up: "", down: "" };
    this.chart = library.createChart(container, this.#chartOptions());
    this.series = this.chart.addSeries(library.CandlestickSeries, {
      autoscaleInfoProvider: (/** @type {() => any} */ find) => this.#withNearLevels(find()),
    });
    // Candles of a single price are dashes; a line through them shows the course.
    this.line = this.chart.addSeries(library.LineSeries, {
      lineWidth: 2,
      lastValueVisible: false,
      priceLineVisible: false,
      crosshairMarkerVisible: false,
    });
    this.volumes = this.chart.addSeries(library.HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.markers = library.createSeriesMarkers(this.series, []);
    this.chart.subscribeCrosshairMove((/** @type {any} */ { time }) => onPoint(this.byTime.get(time) ?? null));
    this.chart.subscribeClick((/** @type {any} */ { time }) => {
      const candle = this.byTime.get(time);
      if (candle) onChoose(candle);
    });
    this.resizing = new ResizeObserver(() => {
      this.chart.timeScale().fitContent();
      this.setLevels(this.levels);
      this.setMarks(this.marks);
    });
    this.resizing.observe(container);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.restyle = this.restyle.bind(this);
    this.scheme.addEventListener("change", this.restyle);
    this.restyle();
  }

  close() {
    this.scheme.removeEventListener("change", this.restyle);
    this.resizing.disconnect();
    this.chart.remove();
  }

  /**
   * Show these candles, and all of them at once.
   *
   * @param {Candle[]} candles - Oldest first.
   * @param {string} zone - The time zone of the axis.
   * @param {boolean} isDate - True for candles of days.
   */
  setCandles(candles, zone, isDate) {
    this.zone = zone;
    this.isDate = isDate;
    this.precision = isDate ? "date" : candles.some(({ at }) => at % 60_000) ? "seconds" : "minutes";
    this.chart.applyOptions(this.#chartOptions());
    this.replaceCandles(candles);
    this.chart.timeScale().fitContent();
  }

  /**
   * Show the candles after a change at their end, without moving what is seen.
   *
   * @param {Candle[]} candles
   */
  replaceCandles(candles) {
    this.candles = [...candles];
    this.times = [];
    for (const candle of candles) this.times.push(this.#timeAfter(this.times[this.times.length - 1], candle));
    this.byTime = new Map(this.candles.map((candle, place) => [this.times[place], candle]));
    const precision = Math.max(2, ...this.candles.map((candle) => digitsAfterPoint(candle.close)));
    this.series.applyOptions({ priceFormat: { type: "price", precision, minMove: 10 ** -precision } });
    this.series.setData(this.candles.map((candle, place) => drawn(candle, this.times[place])));
    this.isLine = isMostlyFlat(this.candles);
    const points = this.isLine ? this.candles : [];
    this.line.setData(points.map((candle, place) => ({ time: this.times[place], value: Number(candle.close) })));
    const hasVolumes = this.candles.some((candle) => candle.volume !== null);
    this.chart.timeScale().applyOptions({ rightOffset: 2 + Math.round(ROOM * this.candles.length) });
    this.chart.priceScale("right").applyOptions({ scaleMargins: { top: 0.08, bottom: hasVolumes ? 0.24 : 0.06 } });
    this.volumes.setData(this.candles.map((candle, place) => this.#volume(candle, this.times[place])));
    this.setMarks(this.marks);
  }

  /**
   * Show the last candle anew, or one after it.
   *
   * @param {Candle} candle
   */
  updateCandle(candle) {
    const last = this.candles.length - 1;
    const isNew = last < 0 || candle.at > this.candles[last].at;
    const time = isNew ? this.#timeAfter(this.times[last], candle) : this.times[last];
    if (isNew) {
      this.candles.push(candle);
      this.times.push(time);
    } else {
      this.candles[last] = candle;
    }
    this.byTime.set(time, candle);
    this.series.update(drawn(candle, time));
    if (this.isLine) this.line.update({ time, value: Number(candle.close) });
    this.volumes.update(this.#volume(candle, time));
  }

  /**
   * Draw levels, such as the thresholds of rules, in place of those before.
   *
   * @param {Level[]} levels
   */
  setLevels(levels) {
    this.levels = levels;
    for (const line of this.lines) this.series.removePriceLine(line);
    this.lines = levels.map(({ price, title, isQuiet }) =>
      this.series.createPriceLine({
        price: Number(price),
        title: this.#shortened(title),
        color: color(isQuiet ? "--line-strong" : "--accent"),
        lineStyle: this.library.LineStyle.Dashed,
        lineWidth: 1,
        axisLabelVisible: true,
      })
    );
  }

  /**
   * Mark candles, such as those in which a rule fired, in place of the marks before.
   *
   * @param {Mark[]} marks
   */
  setMarks(marks) {
    this.marks = marks;
    const known = marks.map((mark) => ({ mark, time: this.#timeOfCandleAt(mark.at) }));
    const shown = known.filter(({ time }) => time !== null).sort((one, other) => Number(one.time) - Number(other.time));
    this.markers.setMarkers(
      shown.map(({ mark, time }) => ({
        time,
        position: mark.kind === "firing" ? "aboveBar" : "belowBar",
        shape: mark.kind === "firing" ? "arrowDown" : "circle",
        color: color(mark.kind === "firing" ? "--accent" : "--line-strong"),
        text: this.#shortened(mark.text),
      })),
    );
  }

  /**
   * Point at a candle as the pointer does.
   *
   * @param {number} place - Its place among the candles.
   */
  pointAt(place) {
    const candle = this.candles[place];
    if (candle) this.chart.setCrosshairPosition(Number(candle.close), this.times[place], this.series);
  }

  /** Take the colours of the page, which follow the scheme of the system. */
  restyle() {
    this.chart.applyOptions(this.#chartOptions());
    this.series.applyOptions({
      upColor: color("--up"),
      downColor: color("--down"),
      wickUpColor: color("--up"),
      wickDownColor: color("--down"),
      borderVisible: false,
      priceLineColor: color("--text-quiet"),
    });
    this.line.applyOptions({ color: color("--accent") });
    this.volumeColors = { up: color("--volume-up"), down: color("--volume-down") };
    this.volumes.setData(this.candles.map((candle, place) => this.#volume(candle, this.times[place])));
    this.setLevels(this.levels);
    this.setMarks(this.marks);
  }

  /**
   * Return the range of prices that the chart shows, wide enough for levels that are near.
   *
   * @param {any} found - The range of the candles.
   */
  #withNearLevels(found) {
    if (!found?.priceRange) return found;
    const { minValue, maxValue } = found.priceRange;
    const reach = (maxValue - minValue) * NEAR;
    const near = this.levels.map(({ price }) => Number(price)).filter((price) =>
      price >= minValue - reach && price <= maxValue + reach
    );
    const priceRange = { minValue: Math.min(minValue, ...near), maxValue: Math.max(maxValue, ...near) };
    return { ...found, priceRange };
  }

  /**
   * Return the chart's time of a candle. When the clock is put back, an hour comes twice, but the chart's times must rise.
   *
   * @param {number | undefined} before
   * @param {Candle} candle
   */
  #timeAfter(before, candle) {
    const time = chartTime(this.zone, candle.at, this.isDate);
    return before !== undefined && time <= before ? before + 1 : time;
  }

  /** @param {number} instant */
  #timeOfCandleAt(instant) {
    let found = null;
    for (const [place, candle] of this.candles.entries()) {
      if (candle.at > instant) break;
      found = this.times[place];
    }
    return found;
  }

  /**
   * @param {Candle} candle
   * @param {number} time
   */
  #volume(candle, time) {
    if (candle.volume === null) return { time };
    const rises = Number(candle.close) >= Number(candle.open);
    return { time, value: candle.volume, color: rises ? this.volumeColors.up : this.volumeColors.down };
  }

  /**
   * Return a text that leaves room for the candles.
   *
   * @param {string} text
   */
  #shortened(text) {
    const longest = this.container.clientWidth < NARROW ? LONGEST_NARROW : LONGEST_WIDE;
    return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
  }

  #chartOptions() {
    const line = color("--line");
    return {
      autoSize: true,
      layout: {
        background: { color: color("--surface") },
        textColor: color("--text-quiet"),
        fontFamily: color("--sans"),
        fontSize: 12,
        attributionLogo: false, // it would add an inline style; the foot of the page has the link
      },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: { borderColor: line },
      timeScale: {
        borderColor: line,
        timeVisible: !this.isDate,
        secondsVisible: this.precision === "seconds",
        minBarSpacing: 0.1,
        maxBarSpacing: 24,
        rightOffset: 2,
      },
      crosshair: {
        mode: this.library.CrosshairMode.Normal,
        horzLine: { color: color("--text-quiet"), labelBackgroundColor: color("--text-quiet") },
        vertLine: { color: color("--text-quiet"), labelBackgroundColor: color("--text-quiet") },
      },
      localization: {
        timeFormatter: (/** @type {number} */ time) => formatInstant(time * 1000, "UTC", this.precision),
      },
      handleScroll: { vertTouchDrag: false },
    };
  }
}

/**
 * @param {Candle} candle
 * @param {number} time
 */
function drawn(candle, time) {
  return {
    time,
    open: Number(candle.open),
    high: Number(candle.high),
    low: Number(candle.low),
    close: Number(candle.close),
  };
}

/**
 * Return a property of the page's style, such as `--up`.
 *
 * @param {string} property
 */
function color(property) {
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim();
}

/**
 * Return a chart in words, for those who do not see it.
 *
 * @param {Candle[]} candles - At least one.
 * @param {string} zone
 */
export function chartWords(candles, zone) {
  const [first, last] = [candles[0], candles[candles.length - 1]];
  const highest = candles.reduce((one, other) => (Number(other.high) > Number(one.high) ? other : one));
  const lowest = candles.reduce((one, other) => (Number(other.low) < Number(one.low) ? other : one));
  const day = (/** @type {Candle} */ candle) => formatInstant(candle.at, zone, "minutes");
  return (
    `${countOf(candles.length, "candle")} from ${day(first)} to ${day(last)}. ` +
    `First ${groupDigits(first.open)}, last ${groupDigits(last.close)}, ` +
    `highest ${groupDigits(highest.high)} (${day(highest)}), lowest ${groupDigits(lowest.low)} (${day(lowest)}).`
  );
}
