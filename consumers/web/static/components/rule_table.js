// The table of alert rules. A row opens to its options and to what can be done with the rule.

import { element, setAttribute, setText } from "./dom.js";
import { moment, setMoment } from "./moment.js";
import { Slot } from "./slot.js";
import { makeTable } from "./tables.js";
import { STATES, symbolOf } from "../alert_rules.js";
import { foreign, oneLine } from "../foreign_text.js";
import { changeInBasisPoints, formatChange, formatPrice, groupDigits } from "../format.js";
import { thresholdsOf } from "../rule_marks.js";

/** @typedef {import("../alert_rules.js").Rule} Rule */
/** @typedef {"acknowledge" | "silence" | "unsilence" | "enable" | "disable" | "remove"} Action */
/** @typedef {(action: Action, rule: Rule, value?: string) => void} Act */

const COLUMNS = [
  { name: "rule", label: "Rule" },
  { name: "state", label: "State" },
  { name: "price", label: "Last price", isNumber: true },
  { name: "distance", label: "To the threshold", isNumber: true },
  { name: "fired", label: "Fired", isNumber: true },
  { name: "actions", label: "Actions", isHidden: true },
];

const SILENCES = { "1h": "1 hour", "8h": "8 hours", "1d": "1 day", "7d": "1 week" };

export class RuleTable {
  /**
   * @param {import("../store.js").QuoteStore} store
   * @param {Act} act
   */
  constructor(store, act) {
    this.store = store;
    this.act = act;
    /** @type {Map<number, RuleRow>} */
    this.rows = new Map();
    const { table, body } = makeTable("Alert rules", COLUMNS, "rules");
    body.remove();
    this.table = table;
    this.element = element("div", { class: "table-frame" }, table);
  }

  /**
   * Show these rules, and no others. Rows that stay keep what is open in them.
   *
   * @param {Rule[]} rules
   */
  setRules(rules) {
    const wanted = new Set(rules.map((rule) => rule.id));
    for (const [id, row] of this.rows) {
      if (wanted.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    for (const rule of rules) {
      const row = this.rows.get(rule.id);
      if (row) row.write(rule, this.store);
      else this.#add(rule);
    }
  }

  /**
   * Show only the rules with this text in their name or condition, and return their number.
   *
   * @param {string} words
   */
  filter(words) {
    const wanted = words.trim().toLowerCase();
    let shown = 0;
    for (const { element: row, rule } of this.rows.values()) {
      row.hidden = !`${rule.name} ${rule.when} ${rule.state}`.toLowerCase().includes(wanted);
      if (!row.hidden) shown += 1;
    }
    return shown;
  }

  /** Write the last prices of the rules on a symbol. */
  writePrices() {
    for (const row of this.rows.values()) row.writePrice(this.store);
  }

  /** @param {Rule} rule */
  #add(rule) {
    const row = new RuleRow(rule, this.act);
    row.write(rule, this.store);
    this.rows.set(rule.id, row);
    this.table.append(row.element);
  }
}

/** A rule: one line, and below it the details, which are made when they are opened. */
class RuleRow {
  /**
   * @param {Rule} rule
   * @param {Act} act
   */
  constructor(rule, act) {
    this.rule = rule;
    this.act = act;
    this.isOpen = false;
    this.shown = "";
    const id = `rule-${rule.id}`;
    this.name = element("span", { class: "rule-name" });
    this.when = element("span", { class: "rule-when mono" });
    this.toggle = element(
      "button",
      {
        type: "button",
        class: "rule-toggle",
        "aria-expanded": "false",
        "aria-controls": id,
        click: () => this.#toggle(),
      },
      this.name,
      this.when,
    );
    this.tags = element("span", { class: "tags" });
    this.since = element("span", { class: "since", hidden: true }, "since ", this.moment = moment(null, ""));
    this.price = element("td", { class: "price number", role: "cell", "data-label": "Last price" });
    this.distance = element("td", { class: "distance number", role: "cell", "data-label": "To the threshold" });
    this.fired = element("td", { class: "fired number", role: "cell", "data-label": "Fired" });
    this.quick = element("td", { class: "actions", role: "cell" });
    this.slot = new Slot("rule-detail");
    this.details = element("td", { colspan: COLUMNS.length, role: "cell" }, this.slot.element);
    this.detailRow = element("tr", { class: "rule-details", id, role: "row", hidden: true }, this.details);
    this.element = element(
      "tbody",
      { role: "rowgroup", "data-rule": rule.id },
      element(
        "tr",
        { role: "row" },
        element("th", { class: "rule", scope: "row", role: "rowheader" }, this.toggle),
        element("td", { class: "state", role: "cell", "data-label": "State" }, this.tags, " ", this.since),
        this.price,
        this.distance,
        this.fired,
        this.quick,
      ),
      this.detailRow,
    );
  }

  /**
   * @param {Rule} rule
   * @param {import("../store.js").QuoteStore} store
   */
  write(rule, store) {
    this.rule = rule;
    setText(this.name, oneLine(rule.name));
    setText(this.when, oneLine(rule.when));
    setMoment(this.moment, rule.since, "");
    this.since.hidden = !rule.since;
    setAttribute(this.element, "data-state", rule.state);
    setText(this.fired, rule.fired === undefined ? "–" : groupDigits(rule.fired));
    this.writePrice(store);
    const text = JSON.stringify(lasting(rule));
    if (text === this.shown) return;
    this.shown = text;
    this.tags.replaceChildren(...statesOf(rule).map(stateTag));
    this.#writeQuick();
    this.#writeDetails();
  }

  /**
   * Write the last price, and the way from it to the threshold; a price that came live is newer than that of the rule.
   *
   * @param {import("../store.js").QuoteStore} store
   */
  writePrice(store) {
    const price = store.quotes.get(symbolOf(this.rule.when))?.price ?? this.rule.last_price ?? null;
    setText(this.price, formatPrice(price));
    const levels = thresholdsOf(this.rule.when)?.prices ?? [];
    setText(
      this.distance,
      price !== null && levels.length === 1 ? formatChange(changeInBasisPoints(price, levels[0])) : "–",
    );
  }

  #toggle() {
    this.isOpen = !this.isOpen;
    setAttribute(this.toggle, "aria-expanded", String(this.isOpen));
    this.detailRow.hidden = !this.isOpen;
    this.#writeDetails();
  }

  #writeQuick() {
    const { rule } = this;
    const [label, action] = /** @type {[string, Action] | []} */ (
      {
        firing: ["Acknowledge", "acknowledge"],
        silenced: ["End silence", "unsilence"],
        disabled: ["Enable", "enable"],
      }[rule.state] ?? []
    );
    const button = label && element(
      "button",
      {
        type: "button",
        "aria-label": `${label}: ${oneLine(rule.name)}`,
        click: () => this.act(/** @type {Action} */ (action), this.rule),
      },
      label,
    );
    this.quick.replaceChildren(...(button ? [button] : []));
  }

  #writeDetails() {
    const { rule } = this;
    if (!this.isOpen) return;
    const hadFocus = this.details.contains(document.activeElement);
    this.slot.fill(lasting(rule), () => {
      const facts = factsOf(rule).flatMap(([name, ...content]) => [
        element("dt", {}, name),
        element("dd", {}, ...content),
      ]);
      return element("div", {}, element("dl", { class: "facts" }, ...facts), this.#buttons());
    });
    if (hadFocus && !this.details.contains(document.activeElement)) this.toggle.focus({ preventScroll: true });
  }

  #buttons() {
    const { rule } = this;
    const states = statesOf(rule);
    const button = (/** @type {string} */ label, /** @type {Action} */ action, className = "") =>
      element(
        "button",
        { type: "button", class: className, "data-name": action, click: () => this.act(action, this.rule) },
        label,
      );
    const until = element(
      "select",
      { "aria-label": "Silence for", "data-name": "until" },
      ...Object.entries(SILENCES).map(([value, label]) => element("option", { value }, label)),
    );
    const silence = element(
      "button",
      { type: "button", "data-name": "silence", click: () => this.act("silence", this.rule, until.value) },
      "Silence",
    );
    return element(
      "div",
      { class: "toolbar" },
      element("a", { class: "button", href: `#/alerts/edit/${rule.id}`, "data-name": "edit" }, "Edit"),
      states.includes("firing") ? button("Acknowledge", "acknowledge") : null,
      states.includes("silenced")
        ? button("End silence", "unsilence")
        : element("span", { class: "joined" }, until, silence),
      states.includes("disabled") ? button("Enable", "enable") : button("Disable", "disable"),
      button("Remove", "remove", "danger"),
    );
  }
}

/**
 * Return a rule without what changes with every price.
 *
 * @param {Rule} rule
 */
function lasting(rule) {
  return { ...rule, last_price: null, distance: null, fired: null };
}

/**
 * Return the states of a rule, the one that counts first.
 *
 * @param {Rule} rule
 */
function statesOf(rule) {
  return [rule.state, ...(rule.also ?? []).filter((state) => state !== "armed")];
}

/** @param {string} state */
function stateTag(state) {
  const { kind, words } = STATES[state] ?? { kind: "", words: state };
  return element("span", { class: "tag", "data-kind": kind, title: words }, state);
}

/**
 * Return what is known of a rule beside its condition.
 *
 * @param {Rule} rule
 * @returns {[string, ...import("./dom.js").Child[]][]}
 */
function factsOf(rule) {
  const words = { once: "once, then never again", every: "each time that the condition becomes true" };
  const frequency = rule.frequency ?? "every";
  const period = frequency.startsWith("once-per:")
    ? `at most once per ${frequency.slice(9)}`
    : words[/** @type {"once"} */ (frequency)];
  /** @type {[string, ...import("./dom.js").Child[]][]} */
  const facts = [
    ["State", statesOf(rule).map((state) => STATES[state]?.words ?? state).join(" ")],
    ["Fires", period ?? frequency],
  ];
  if (rule.silenced_until) facts.push(["Silenced until", moment(rule.silenced_until)]);
  if (rule.for) facts.push(["Only after", `the condition was true for ${rule.for}`]);
  if (rule.rearm) facts.push(["Armed again at", formatPrice(rule.rearm)]);
  if (rule.on_arm === "wait") facts.push(["At the start", "a condition that is true at once does not fire"]);
  if (rule.expires) facts.push(["Expires", moment(rule.expires)]);
  if (rule.resolved) facts.push(["At the end", "tells that the condition is over"]);
  facts.push(["Sent to", rule.notify?.length ? foreign(rule.notify.join(", ")) : "nobody; it shows here"]);
  if (rule.message) facts.push(["Message", foreign(rule.message)]);
  if (rule.created_at) facts.push(["Added", moment(rule.created_at)]);
  return facts;
}
