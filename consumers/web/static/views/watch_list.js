// The watch list: one row per symbol, kept up to date by live events.

import { read, send, symbolPath } from "../api.js";
import { askToConfirm } from "../components/dialog.js";
import { element, setText } from "../components/dom.js";
import { failure, notice } from "../components/notice.js";
import { QuoteTable } from "../components/quote_table.js";
import { toast } from "../components/toast.js";
import { countOf } from "../format.js";

export function title() {
  return "Watch list";
}

/**
 * @param {HTMLElement} root
 * @param {import("../app.js").App} app
 * @returns {() => void}
 */
export function show(root, app) {
  const view = new WatchListView(root, app);
  view.load();
  return () => view.close();
}

class WatchListView {
  /**
   * @param {HTMLElement} root
   * @param {import("../app.js").App} app
   */
  constructor(root, app) {
    this.app = app;
    this.ending = new AbortController();
    this.table = new QuoteTable(app, (symbol) => this.#remove(symbol));
    this.summary = element("p", { class: "quiet-text", role: "status" });
    this.remark = element("p", { class: "remark", role: "status" });
    this.filter = element("input", {
      type: "search",
      placeholder: "Filter",
      "aria-label": "Filter by symbol",
      "aria-keyshortcuts": "/",
      autocomplete: "off",
      spellcheck: "false",
      input: () => this.#filter(),
    });
    this.isFailed = false;
    this.content = element("div", {}, notice("loading", "Loading the prices…"));
    root.append(
      element(
        "div",
        { class: "view-header" },
        element("div", {}, element("h1", {}, "Watch list"), this.summary),
        element("div", { class: "toolbar watch-tools" }, this.filter, this.#addingForm()),
      ),
      this.remark,
      this.content,
    );
    addEventListener("keydown", (event) => this.#key(event), { signal: this.ending.signal });
    this.stopListening = [
      // A server that was away may have another watch list, and prices that came while it was.
      app.live.caughtUp.add(() => this.load()),
      app.live.connections.add(({ state }) => {
        if (state === "live" && this.isFailed) this.load();
      }),
    ];
  }

  close() {
    this.ending.abort();
    this.table.close();
    for (const stop of this.stopListening) stop();
  }

  /** Read the watch list and its newest prices. */
  async load() {
    const { signal } = this.ending;
    const prices = this.#loadPrices(signal);
    try {
      const { symbols } = await read("/v1/watch", { signal });
      await prices;
      this.isFailed = false;
      this.#show(symbols.map((/** @type {{symbol: string}} */ row) => row.symbol));
    } catch (error) {
      if (signal.aborted) return;
      this.isFailed = true;
      this.content.replaceChildren(failure("The watch list could not be loaded", error, () => this.load()));
    }
  }

  /**
   * Read the newest prices and previous closes. Without a history the watch list is shown all the same, with the reason.
   *
   * @param {AbortSignal} signal
   */
  async #loadPrices(signal) {
    try {
      const [{ prices }, { previous_closes: closes }] = await Promise.all([
        read("/v1/latest", { signal }),
        read("/v1/previous-closes", { signal }),
      ]);
      for (const row of prices) this.app.store.takeRow({ ...row, previous_close: closes[row.symbol] });
      setText(this.remark, "");
    } catch (error) {
      if (!signal.aborted) setText(this.remark, /** @type {Error} */ (error).message);
    }
  }

  /** @param {string[]} symbols */
  #show(symbols) {
    if (symbols.length) {
      this.table.setSymbols(symbols);
      if (!this.table.element.isConnected) this.content.replaceChildren(this.table.element);
    } else {
      this.content.replaceChildren(notice("empty", "No symbols are watched", "Add one above, such as AAPL."));
    }
    this.#filter();
  }

  #filter() {
    const shown = this.table.filter(this.filter.value);
    const all = this.table.size;
    const words = shown === all ? countOf(all, "symbol") : `${shown} of ${countOf(all, "symbol")}`;
    setText(this.summary, words);
  }

  #addingForm() {
    const input = element("input", {
      placeholder: "Add symbol",
      "aria-label": "Symbol to add",
      autocapitalize: "characters",
      autocomplete: "off",
      maxlength: 32,
      required: true,
      size: 12,
      spellcheck: "false",
    });
    const add = async (/** @type {Event} */ event) => {
      event.preventDefault();
      const symbol = input.value.trim();
      if (symbol && (await this.#change("POST", "/v1/watch", { symbol }))) input.value = "";
    };
    return element("form", { class: "adding", submit: add }, input, element("button", { type: "submit" }, "Add"));
  }

  /** @param {string} symbol */
  async #remove(symbol) {
    const question = {
      title: `Remove ${symbol}?`,
      words: `${symbol} is not synced any more. Its stored prices and its alert rules stay.`,
      confirm: "Remove",
      danger: true,
    };
    if (await askToConfirm(question)) await this.#change("DELETE", `/v1/watch/${symbolPath(symbol)}`);
  }

  /**
   * Change the watch list, and show the new one. A refusal is told.
   *
   * @param {"POST" | "DELETE"} method
   * @param {string} path
   * @param {unknown} [body]
   */
  async #change(method, path, body) {
    try {
      await send(method, path, body);
      await this.load();
      return true;
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "failed");
      return false;
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const isTyping = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.filter.focus();
    } else if (event.key === "Escape" && event.target === this.filter) {
      this.filter.value = "";
      this.#filter();
    }
  }
}
