// Symbols whose rules are held after a jump that may be a split, with both ways out.

import { askToConfirm } from "./dialog.js";
import { element } from "./dom.js";
import { moment } from "./moment.js";
import { Slot } from "./slot.js";
import { toast } from "./toast.js";
import { read, send, symbolPath } from "../api.js";
import { foreign, oneLine } from "../foreign_text.js";
import { countOf, formatPrice } from "../format.js";

/** @typedef {Record<string, any>} HeldSymbol - An entry of `/v1/rescale`. */

export class HeldSymbols {
  /** @param {() => void} changed - Called after rules were released. */
  constructor(changed) {
    this.changed = changed;
    this.ending = new AbortController();
    this.slot = new Slot("held");
    this.element = this.slot.element;
  }

  close() {
    this.ending.abort();
  }

  /** Read which symbols are held. Without an answer, what is shown stays. */
  async load() {
    const { signal } = this.ending;
    try {
      const { held } = await read("/v1/rescale", { signal });
      this.slot.fill(
        held.length ? held : null,
        () =>
          element(
            "section",
            { "aria-label": "Held rules" },
            ...held.map((/** @type {HeldSymbol} */ each) => this.#panel(each)),
          ),
      );
    } catch (error) {
      if (!signal.aborted) console.warn("held symbols could not be read:", error);
    }
  }

  /** @param {HeldSymbol} held */
  #panel({ symbol, as_of: at, price, previous_price: before, ratio, rules }) {
    const input = element("input", {
      value: ratio,
      size: 6,
      required: true,
      pattern: "[0-9]{1,5}:[0-9]{1,5}",
      "aria-label": `Ratio of the split of ${symbol}, new shares to old`,
      "data-name": `ratio ${symbol}`,
      autocomplete: "off",
    });
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#rescale(symbol, { ratio: input.value.trim() });
    };
    return element(
      "article",
      { class: "held-symbol" },
      element("h2", {}, "The rules of ", foreign(symbol), " are held"),
      element(
        "p",
        {},
        `The price went from ${formatPrice(before)} to ${formatPrice(price)} (`,
        moment(at),
        `). That may be a split of ${ratio}, or a true move. Until you decide, `,
        rules.length ? countOf(rules.length, "rule waits", "rules wait") : "every rule of the symbol waits",
        rules.length ? ": " : ".",
        rules.length ? foreign(rules.join(", ")) : null,
      ),
      element(
        "div",
        { class: "toolbar" },
        element(
          "form",
          { class: "joined", submit },
          input,
          element(
            "button",
            { type: "submit", class: "primary", "data-name": `split ${symbol}` },
            "It was a split: divide by this",
          ),
        ),
        element(
          "button",
          { type: "button", "data-name": `as is ${symbol}`, click: () => this.#keep(symbol) },
          "It was not: keep as is",
        ),
      ),
    );
  }

  /** @param {string} symbol */
  async #keep(symbol) {
    const isSure = await askToConfirm({
      title: `Keep the rules of ${oneLine(symbol)} as they are?`,
      words: "Thresholds and last prices stay. The rules are evaluated again with the next price, and may fire then.",
      confirm: "Keep as is",
    });
    if (isSure) await this.#rescale(symbol, { as_is: true });
  }

  /**
   * @param {string} symbol
   * @param {{ratio: string} | {as_is: true}} body
   */
  async #rescale(symbol, body) {
    try {
      const { rules } = await send("POST", `/v1/rescale/${symbolPath(symbol)}`, body);
      const divided = "ratio" in body
        ? `: ${countOf(rules, "threshold was", "thresholds were")} divided by ${body.ratio}`
        : "";
      toast(`The rules of ${oneLine(symbol)} go on${divided}.`);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "failed");
    }
    await this.load();
    this.changed();
  }
}
