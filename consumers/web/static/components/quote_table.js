// The table of the watch list. It is made for 500 symbols that all change every second: changes are gathered, and written
// a few times a second to the rows that are on the screen; the other rows follow every few seconds.

import { DayCourses } from "./day_courses.js";
import { element, setAttribute } from "./dom.js";
import { QuoteRow } from "./quote_row.js";
import { changeInBasisPoints } from "../format.js";
import { oncePerFrame } from "../frames.js";
import { unknownQuote } from "../store.js";

// Milliseconds.
const WRITE_EVERY = 200;
const WRITE_HIDDEN_EVERY = 5000;
const DRAW_COURSES_EVERY = 3000;
const SORT_EVERY = 5000;
const AGE_EVERY = 1000;

/** @typedef {import("../store.js").Quote} Quote */

/** @type {Record<string, {label: string, isNumber: boolean, key: ((quote: Quote) => string | number | bigint | null) | null}>} */
const COLUMNS = {
  symbol: { label: "Symbol", isNumber: false, key: (quote) => quote.symbol },
  price: { label: "Price", isNumber: true, key: (quote) => (quote.price === null ? null : Number(quote.price)) },
  change: { label: "Change", isNumber: true, key: changeOf },
  course: { label: "Day", isNumber: false, key: null },
  volume: { label: "Volume", isNumber: true, key: (quote) => quote.volume },
  age: { label: "Age", isNumber: true, key: (quote) => quote.asOf },
  state: { label: "State", isNumber: false, key: null },
};

/** The table: `setSymbols`, `filter`, then it keeps itself up to date until `close`. */
export class QuoteTable {
  /**
   * @param {import("../app.js").App} app
   * @param {(symbol: string) => void} remove
   */
  constructor(app, remove) {
    this.app = app;
    this.remove = remove;
    /** @type {Map<string, QuoteRow>} */
    this.rows = new Map();
    /** @type {Set<QuoteRow>} */
    this.changed = new Set();
    this.words = "";
    /** @type {{column: string, descending: boolean} | null} - Null is the order of adding. */
    this.order = null;
    this.courses = new DayCourses();
    this.body = element("tbody", { keydown: (event) => this.#key(/** @type {KeyboardEvent} */ (event)) });
    this.headers = this.#headers();
    this.element = element(
      "div",
      { class: "panel table-frame" },
      element(
        "table",
        { class: "quotes", role: "table" },
        element("caption", { class: "spoken" }, "Newest prices of the watched symbols"),
        element(
          "thead",
          { role: "rowgroup" },
          element(
            "tr",
            { role: "row" },
            ...this.headers.values(),
            element("th", { role: "columnheader", scope: "col" }, element("span", { class: "spoken" }, "Remove")),
          ),
        ),
        this.body,
      ),
    );
    setAttribute(this.body, "role", "rowgroup");
    this.observer = new IntersectionObserver((entries) => this.#see(entries), { rootMargin: "100px" });
    this.timers = [
      setInterval(oncePerFrame(() => this.#writeVisible()), WRITE_EVERY),
      setInterval(() => this.#writeHidden(), WRITE_HIDDEN_EVERY),
      setInterval(() => this.#drawCourses(), DRAW_COURSES_EVERY),
      setInterval(() => this.#sort(), SORT_EVERY),
      setInterval(() => this.#writeAges(), AGE_EVERY),
    ];
    this.stopListening = [
      app.store.changes.add((quote, before, isLive) => this.#take(quote, before, isLive)),
      app.health.listen(() => this.#writeAges()),
    ];
  }

  close() {
    for (const timer of this.timers) clearInterval(timer);
    for (const stop of this.stopListening) stop();
    this.observer.disconnect();
    this.courses.close();
  }

  get size() {
    return this.rows.size;
  }

  /**
   * Show these symbols, and no others.
   *
   * @param {string[]} symbols
   */
  setSymbols(symbols) {
    const wanted = new Set(symbols);
    for (const [symbol, row] of this.rows) {
      if (wanted.has(symbol)) continue;
      this.observer.unobserve(row.element);
      row.element.remove();
      this.changed.delete(row);
      this.rows.delete(symbol);
    }
    const rows = new Map();
    for (const symbol of symbols) rows.set(symbol, this.rows.get(symbol) ?? this.#makeRow(symbol));
    this.rows = rows;
    const context = this.#context();
    for (const row of rows.values()) row.write(this.#quote(row), context);
    this.#sort(true);
    this.filter(this.words);
  }

  /**
   * Show only the symbols that contain the text, and return their number.
   *
   * @param {string} words
   */
  filter(words) {
    this.words = words;
    const wanted = words.trim().toUpperCase();
    let shown = 0;
    for (const row of this.rows.values()) {
      row.element.hidden = !row.symbol.includes(wanted);
      if (!row.element.hidden) shown += 1;
    }
    return shown;
  }

  /** @param {string} symbol */
  #makeRow(symbol) {
    const row = new QuoteRow(symbol, this.remove);
    this.observer.observe(row.element);
    return row;
  }

  #headers() {
    const headers = new Map();
    for (const [name, { label, isNumber, key }] of Object.entries(COLUMNS)) {
      const content = key ? element("button", { type: "button", click: () => this.#sortBy(name) }, label) : label;
      const attributes = { role: "columnheader", scope: "col", class: `${name}${isNumber ? " number" : ""}` };
      headers.set(name, element("th", { ...attributes, "aria-sort": key && "none" }, content));
    }
    return headers;
  }

  /** @param {string} column */
  #sortBy(column) {
    const descendsFirst = COLUMNS[column].isNumber;
    if (this.order?.column !== column) this.order = { column, descending: descendsFirst };
    else if (this.order.descending === descendsFirst) this.order = { column, descending: !descendsFirst };
    else this.order = null;
    for (const [name, header] of this.headers) {
      if (!COLUMNS[name].key) continue;
      const direction = this.order?.descending ? "descending" : "ascending";
      setAttribute(header, "aria-sort", this.order?.column === name ? direction : "none");
    }
    this.#sort(true);
  }

  /**
   * Put the rows into order. Rows under the pointer or with the focus do not move by themselves.
   *
   * @param {boolean} [isWanted] - True if the user has asked for it.
   */
  #sort(isWanted = false) {
    if (!isWanted && (!this.order || this.body.matches(":hover, :focus-within"))) return;
    const rows = [...this.rows.values()];
    if (this.order) rows.sort((one, other) => this.#compare(one, other));
    if (rows.every((row, place) => this.body.children[place] === row.element)) return;
    this.body.append(...rows.map((row) => row.element));
  }

  /**
   * @param {QuoteRow} one
   * @param {QuoteRow} other
   */
  #compare(one, other) {
    const { column, descending } = /** @type {{column: string, descending: boolean}} */ (this.order);
    const key = /** @type {(quote: Quote) => any} */ (COLUMNS[column].key);
    const [first, second] = [key(this.#quote(one)), key(this.#quote(other))];
    if (first === null || second === null) return Number(first === null) - Number(second === null);
    const order = first < second ? -1 : first > second ? 1 : 0;
    // The newest price has the least age.
    return descending !== (column === "age") ? -order : order;
  }

  /**
   * @param {Quote} quote
   * @param {Quote | undefined} before
   * @param {boolean} isLive
   */
  #take(quote, before, isLive) {
    const row = this.rows.get(quote.symbol);
    if (!row) return;
    this.changed.add(row);
    this.courses.take(quote);
    if (isLive && row.isVisible && before?.price && quote.price !== before.price) {
      row.flash(Number(quote.price) > Number(before.price) ? "up" : "down");
    }
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #see(entries) {
    for (const { target, isIntersecting } of entries) {
      const row = this.rows.get(/** @type {HTMLElement} */ (target).dataset.symbol ?? "");
      if (!row) continue;
      row.isVisible = isIntersecting;
      if (!isIntersecting) continue;
      row.write(this.#quote(row), this.#context());
      this.changed.delete(row);
      this.courses.want(this.#quote(row), () => this.#drawCourse(row));
    }
  }

  #writeVisible() {
    const context = this.#context();
    for (const row of this.changed) {
      if (!row.isVisible) continue;
      row.write(this.#quote(row), context);
      this.changed.delete(row);
    }
    for (const row of this.rows.values()) row.endFlash(context.now);
  }

  #writeHidden() {
    const context = this.#context();
    for (const row of this.changed) row.write(this.#quote(row), context);
    this.changed.clear();
  }

  #writeAges() {
    const context = this.#context();
    for (const row of this.rows.values()) {
      if (row.isVisible) row.writeAge(this.#quote(row), context);
    }
  }

  #drawCourses() {
    for (const row of this.rows.values()) {
      if (row.isVisible) this.#drawCourse(row);
    }
  }

  /** @param {QuoteRow} row */
  #drawCourse(row) {
    const points = this.courses.changedPoints(row.symbol);
    if (points) row.drawCourse(points, this.#quote(row));
  }

  #context() {
    const { live, health, store } = this.app;
    return {
      health: health.health,
      isConnected: live.connection.state === "live",
      isAllSimulated: store.isAllSimulated,
      now: Date.now(),
    };
  }

  /**
   * @param {QuoteRow} row
   * @returns {Quote}
   */
  #quote({ symbol }) {
    return this.app.store.quotes.get(symbol) ?? unknownQuote(symbol);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = event.target instanceof Element ? event.target.closest("tr") : null;
    if (!step || !row) return;
    event.preventDefault();
    let next = step > 0 ? row.nextElementSibling : row.previousElementSibling;
    while (next instanceof HTMLElement && next.hidden) {
      next = step > 0 ? next.nextElementSibling : next.previousElementSibling;
    }
    next?.querySelector("a")?.focus();
  }
}

/**
 * @param {Quote} quote
 * @returns {number | null} The change since the previous close in hundredths of a percent.
 */
function changeOf(quote) {
  if (quote.price === null || quote.previousClose === null) return null;
  return Number(changeInBasisPoints(quote.previousClose, quote.price));
}
