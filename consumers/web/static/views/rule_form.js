// The form of a rule: a new one, or one that is changed. It is tried on the stored prices before it is saved.

import { Problem, read } from "../api.js";
import { readRule, saveRule, symbolOf } from "../alert_rules.js";
import { element, setText } from "../components/dom.js";
import { DryRunPanel } from "../components/dry_run.js";
import { failure, notice } from "../components/notice.js";
import { RuleFields } from "../components/rule_fields.js";
import { panel } from "../components/tables.js";
import { toast } from "../components/toast.js";
import { oneLine } from "../foreign_text.js";
import { changeInBasisPoints, formatChange, formatPrice } from "../format.js";
import { thresholdsOf } from "../rule_marks.js";

/** @typedef {import("../alert_rules.js").Rule} Rule */
/** @typedef {{id: number | null, symbol: string}} Which - The rule that is changed, or the symbol of a new one. */

/**
 * @param {HTMLElement} root
 * @param {import("../app.js").App} app
 * @param {Which} which
 * @returns {() => void}
 */
export function showRuleForm(root, app, which) {
  const ending = new AbortController();
  const content = element("div", {}, notice("loading", "Loading the rule…"));
  root.append(
    element(
      "div",
      { class: "view-header" },
      element(
        "div",
        {},
        element("a", { class: "back", href: "#/alerts" }, "← Alerts"),
        element("h1", {}, which.id === null ? "New rule" : "Edit rule"),
      ),
    ),
    content,
  );
  /** @type {RuleForm | null} */
  let form = null;
  const load = async () => {
    try {
      const rule = which.id === null ? null : await readRule(which.id, ending.signal);
      // The health has the targets to choose from.
      if (!app.health.health) await app.health.refresh();
      if (ending.signal.aborted) return;
      form = new RuleForm(content, app, rule, which.symbol);
    } catch (error) {
      if (!ending.signal.aborted) content.replaceChildren(failure("The rule could not be loaded", error, load));
    }
  };
  load();
  return () => {
    ending.abort();
    form?.close();
  };
}

class RuleForm {
  /**
   * @param {HTMLElement} root
   * @param {import("../app.js").App} app
   * @param {Rule | null} rule
   * @param {string} symbol
   */
  constructor(root, app, rule, symbol) {
    this.app = app;
    this.rule = rule;
    this.ending = new AbortController();
    const targets = (app.health.health?.targets ?? []).map((/** @type {{name: string}} */ each) => each.name);
    this.fields = new RuleFields(rule, targets, (member) => this.#changed(member));
    this.dryRun = new DryRunPanel(() => this.fields.values(), (error) => this.#showAtField(error));
    this.error = element("p", { class: "form-error", role: "alert", hidden: true });
    this.place = element("p", { class: "place quiet-text", role: "status" });
    this.save = element("button", { type: "submit", class: "primary" }, rule ? "Save the changes" : "Add the rule");
    const form = element(
      "form",
      { class: "form rule-form", novalidate: true, submit: (event) => this.#submit(event) },
      ...this.fields.elements(this.place),
      this.error,
      element("div", { class: "toolbar" }, this.save, element("a", { class: "button", href: "#/alerts" }, "Cancel")),
    );
    const title = rule ? oneLine(rule.name) : "The rule";
    root.replaceChildren(
      element(
        "div",
        { class: "form-columns" },
        panel("rule-form", title, [element("div", { class: "panel-body" }, form)]),
        this.dryRun.element,
      ),
    );
    this.fields.picker.take(rule?.when ?? `${symbol} crossing up`);
    this.stopListening = app.store.changes.add((quote) => {
      if (quote.symbol === symbolOf(this.fields.when.value)) this.#writePlace();
    });
    this.#writePlace();
    this.#readPrices();
    if (!rule) this.fields.name.focus({ preventScroll: true });
  }

  close() {
    this.ending.abort();
    this.dryRun.close();
    this.stopListening();
  }

  /** Read the newest prices, for the symbols to choose from and the place of the last price. */
  async #readPrices() {
    const { signal } = this.ending;
    try {
      const { prices } = await read("/v1/latest", { signal });
      for (const row of prices) this.app.store.takeRow(row);
    } catch (error) {
      // Rules can be written without prices; why there are none is shown on the watch list.
      if (!signal.aborted) console.info("the newest prices are not known:", error);
    }
    if (!signal.aborted) this.fields.picker.offer(this.app.store.quotes.keys());
  }

  /** @param {string} member */
  #changed(member) {
    this.error.hidden = true;
    if (member === "when") this.#writePlace();
  }

  /** Write where the last price stands: `AAPL is at 190.29; 200.00 is +5.10 % away`. */
  #writePlace() {
    const when = this.fields.when.value.trim();
    const symbol = symbolOf(when);
    const price = this.app.store.quotes.get(symbol)?.price ?? null;
    const prices = thresholdsOf(when)?.prices ?? [];
    if (price === null) return setText(this.place, "");
    const distance = prices.length === 1 && Number(prices[0]) > 0
      ? `; ${formatPrice(prices[0])} is ${formatChange(changeInBasisPoints(price, prices[0]))} away`
      : "";
    setText(this.place, `${symbol} is at ${formatPrice(price)}${distance}.`);
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    if (this.fields.findsMissing()) return;
    this.save.disabled = true;
    try {
      const { name } = await saveRule(this.rule?.id ?? null, this.fields.values());
      toast(this.rule ? `${oneLine(name)} is changed.` : `${oneLine(name)} watches from now on.`);
      location.hash = "#/alerts";
    } catch (error) {
      if (!this.#showAtField(error)) this.#showBelow(error);
    } finally {
      this.save.disabled = false;
    }
  }

  /**
   * Show an error of the API at the field that it is about. Returns false if it is about none.
   *
   * @param {unknown} error
   */
  #showAtField(error) {
    if (!(error instanceof Problem)) return false;
    const member = memberOf(error);
    return member !== null && this.fields.showError(member, error.message);
  }

  /** @param {unknown} error */
  #showBelow(error) {
    setText(this.error, oneLine(/** @type {Error} */ (error).message));
    this.error.hidden = false;
  }
}

/**
 * Return the member of the rule that a problem document is about, or null.
 *
 * @param {Problem} problem
 */
function memberOf({ details }) {
  const pointer = details.errors?.[0]?.pointer;
  const found = typeof pointer === "string" ? /^#?\/(\w+)/.exec(pointer) : null;
  return found ? found[1] : null;
}
