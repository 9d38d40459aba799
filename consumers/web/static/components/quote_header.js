// The newest price of one symbol in large type, with its change, provider and age, and why it is stale.

import { element, setAttribute, setText } from "./dom.js";
import { oneLine } from "../foreign_text.js";
import { changeInBasisPoints, formatChange, formatDuration, formatPrice, formatVolume } from "../format.js";
import { staleness } from "../staleness.js";
import { isSimulated } from "../store.js";

export class QuoteHeader {
  /**
   * @param {import("../app.js").App} app
   * @param {string} symbol
   */
  constructor(app, symbol) {
    this.app = app;
    this.symbol = symbol;
    this.price = element("span", { class: "large-price number" }, "–");
    this.currency = element("span", { class: "quiet-text" });
    this.change = element("span", { class: "large-change number" });
    this.label = element("strong", { class: "simulated", hidden: true }, "Simulated");
    this.details = element("p", { class: "quiet-text" });
    this.element = element(
      "div",
      { class: "symbol-header" },
      element(
        "div",
        {},
        element("a", { class: "back", href: "#/" }, "← Watch list"),
        " · ",
        element("a", { class: "back", href: `#/alerts/new/${encodeURIComponent(symbol)}` }, "New alert rule"),
        element("h1", {}, symbol),
      ),
      element("p", { class: "large" }, this.price, this.currency, this.change, this.label),
      this.details,
    );
    this.timer = setInterval(() => this.write(), 1000);
    this.stopListening = [
      app.store.changes.add((quote) => {
        if (quote.symbol === symbol) this.write();
      }),
    ];
    this.write();
  }

  close() {
    clearInterval(this.timer);
    for (const stop of this.stopListening) stop();
  }

  write() {
    const quote = this.app.store.quotes.get(this.symbol);
    if (!quote || quote.price === null || quote.asOf === null) return;
    setText(this.price, formatPrice(quote.price));
    setText(this.currency, quote.currency ?? "");
    this.label.hidden = !isSimulated(quote) || this.app.store.isAllSimulated;
    this.#writeChange(quote.price, quote.previousClose);
    const { live, health } = this.app;
    const found = staleness(quote, health.health, live.connection.state === "live", Date.now());
    const words = [
      `from ${quote.provider}${quote.delayed ? ", delayed" : ""}`,
      `${formatDuration((Date.now() - quote.asOf) / 1000)} old`,
      quote.volume === null ? "" : `volume ${formatVolume(quote.volume)}`,
      found?.words ?? "",
    ];
    setText(this.details, oneLine(words.filter(Boolean).join(" · ")));
    setAttribute(this.element, "data-staleness", found?.kind ?? null);
  }

  /**
   * @param {string} price
   * @param {string | null} previousClose
   */
  #writeChange(price, previousClose) {
    const change = previousClose === null ? null : changeInBasisPoints(previousClose, price);
    setText(this.change, change === null ? "" : formatChange(change));
    setAttribute(this.change, "data-direction", change === null || change === 0n ? null : change > 0n ? "up" : "down");
  }
}
