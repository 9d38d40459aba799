// A helper that writes the one line of a rule: it picks a condition and its numbers, and follows what is typed by hand.

import { element } from "./dom.js";

/**
 * A number or a duration in a condition.
 *
 * @typedef {{name: string, label: string, example: string, kind: "price" | "change" | "duration" | "shares"}} Part
 */

/** @typedef {{label: string, group: string, words: string, parts: Part[]}} Choice - `words` has `{name}` for a part. */

const PRICE = /** @type {Part} */ ({ name: "price", label: "Price", example: "200", kind: "price" });
const LOW = /** @type {Part} */ ({ name: "low", label: "Low", example: "180", kind: "price" });
const HIGH = /** @type {Part} */ ({ name: "high", label: "High", example: "200", kind: "price" });
const CHANGE = /** @type {Part} */ ({ name: "change", label: "Change (5% or 3.50)", example: "5%", kind: "change" });
const SPAN =
  /** @type {Part} */ ({ name: "span", label: "Within (30m, 1h, 7d, 52w)", example: "1d", kind: "duration" });
const LONG = /** @type {Part} */ ({ ...SPAN, label: "Of the last", example: "52w" });
const SHARES = /** @type {Part} */ ({ name: "shares", label: "Shares", example: "1000000", kind: "shares" });
const SILENCE = /** @type {Part} */ ({ name: "silence", label: "For", example: "30m", kind: "duration" });

/** @type {Record<string, Choice>} */
const CHOICES = {
  above: { group: "Price", label: "is above", words: "above {price}", parts: [PRICE] },
  below: { group: "Price", label: "is below", words: "below {price}", parts: [PRICE] },
  "crossing up": { group: "Price", label: "crosses up through", words: "crossing up {price}", parts: [PRICE] },
  "crossing down": { group: "Price", label: "crosses down through", words: "crossing down {price}", parts: [PRICE] },
  crossing: { group: "Price", label: "crosses", words: "crossing {price}", parts: [PRICE] },
  "inside channel": { group: "Channel", label: "is inside", words: "inside channel {low} {high}", parts: [LOW, HIGH] },
  "outside channel": {
    group: "Channel",
    label: "is outside",
    words: "outside channel {low} {high}",
    parts: [LOW, HIGH],
  },
  "entering channel": { group: "Channel", label: "enters", words: "entering channel {low} {high}", parts: [LOW, HIGH] },
  "exiting channel": { group: "Channel", label: "leaves", words: "exiting channel {low} {high}", parts: [LOW, HIGH] },
  "moving up": {
    group: "Change",
    label: "rises within a time",
    words: "moving up {change} in {span}",
    parts: [CHANGE, SPAN],
  },
  "moving down": {
    group: "Change",
    label: "falls within a time",
    words: "moving down {change} in {span}",
    parts: [CHANGE, SPAN],
  },
  "moving up since close": {
    group: "Change",
    label: "rises since the close",
    words: "moving up {change} since close",
    parts: [CHANGE],
  },
  "moving down since close": {
    group: "Change",
    label: "falls since the close",
    words: "moving down {change} since close",
    parts: [CHANGE],
  },
  "new high": { group: "Extreme", label: "reaches a new high", words: "new high in {span}", parts: [LONG] },
  "new low": { group: "Extreme", label: "reaches a new low", words: "new low in {span}", parts: [LONG] },
  "volume above": { group: "Other", label: "has a volume above", words: "volume above {shares}", parts: [SHARES] },
  "no data": { group: "Other", label: "has no new price", words: "no data for {silence}", parts: [SILENCE] },
};

/**
 * Return what a condition means in the terms of the picker, or null if the picker does not know it.
 *
 * @param {string} words - The line of a rule without its symbol.
 * @returns {{choice: string, values: Record<string, string>} | null}
 */
function readCondition(words) {
  const text = words.trim().replace(/\s+/g, " ");
  for (const [choice, { words: form, parts }] of Object.entries(CHOICES)) {
    const pattern = new RegExp(`^${form.replace(/\{\w+\}/g, "(\\S+)")}$`, "i");
    const found = pattern.exec(text);
    if (found) return { choice, values: Object.fromEntries(parts.map(({ name }, place) => [name, found[place + 1]])) };
  }
  return null;
}

/**
 * Return the line of a condition.
 *
 * @param {string} choice
 * @param {Record<string, string>} values
 */
function writeCondition(choice, values) {
  return CHOICES[choice].words.replace(/\{(\w+)\}/g, (_, name) => values[name]?.trim().replace(/\s+/g, "") || "…");
}

/** The fields of the picker. They call `changed` with the whole line of the rule after every change. */
export class ConditionPicker {
  /** @param {(when: string) => void} changed */
  constructor(changed) {
    this.changed = changed;
    /** @type {Record<string, string>} - What was typed for each part, also for other conditions. */
    this.values = {};
    this.symbol = element("input", {
      size: 12,
      maxlength: 32,
      autocapitalize: "characters",
      autocomplete: "off",
      spellcheck: "false",
      list: "known-symbols",
      placeholder: "AAPL",
      input: () => this.#write(),
    });
    this.condition = element("select", { change: () => this.#choose() }, ...groups());
    this.parts = element("div", { class: "picker-parts" });
    this.known = element("datalist", { id: "known-symbols" });
    this.element = element(
      "div",
      { class: "picker" },
      field("Symbol, or * for every one", this.symbol),
      field("Alert if the price", this.condition),
      this.parts,
      this.known,
    );
    this.#makeParts();
  }

  /**
   * Offer these symbols while a symbol is typed.
   *
   * @param {Iterable<string>} symbols
   */
  offer(symbols) {
    this.known.replaceChildren(...[...symbols].sort().map((value) => element("option", { value })));
  }

  /**
   * Follow a line that was typed by hand. A condition that the picker does not know leaves the fields as they are.
   *
   * @param {string} when
   */
  take(when) {
    const [symbol, ...words] = when.trim().split(/\s+/);
    if (document.activeElement !== this.symbol) this.symbol.value = symbol ?? "";
    const found = readCondition(words.join(" "));
    if (!found) return;
    this.values = { ...this.values, ...found.values };
    this.condition.value = found.choice;
    this.#makeParts();
  }

  #choose() {
    this.#makeParts();
    this.#write();
  }

  #makeParts() {
    this.parts.replaceChildren(
      ...CHOICES[this.condition.value].parts.map(({ name, label, example, kind }) => {
        const input = element("input", {
          size: 12,
          value: this.values[name] ?? "",
          placeholder: example,
          inputmode: kind === "price" || kind === "shares" ? "decimal" : "text",
          autocomplete: "off",
          spellcheck: "false",
          "data-part": name,
          input: () => {
            this.values[name] = input.value;
            this.#write();
          },
        });
        return field(label, input);
      }),
    );
  }

  #write() {
    this.changed(`${this.symbol.value.trim()} ${writeCondition(this.condition.value, this.values)}`.trim());
  }
}

/**
 * @param {string} label
 * @param {HTMLElement} input
 */
function field(label, input) {
  return element("label", { class: "field" }, element("span", {}, label), input);
}

function groups() {
  const names = [...new Set(Object.values(CHOICES).map(({ group }) => group))];
  return names.map((group) =>
    element(
      "optgroup",
      { label: group },
      ...Object.entries(CHOICES)
        .filter(([, choice]) => choice.group === group)
        .map(([value, { label }]) => element("option", { value }, label)),
    )
  );
}
