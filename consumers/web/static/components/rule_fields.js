// The fields of a rule's form, with errors at the field that they are about.

import { ConditionPicker } from "./condition_picker.js";
import { element, setAttribute, setText } from "./dom.js";
import { oneLine } from "../foreign_text.js";

/** @typedef {import("../alert_rules.js").Rule} Rule */

const DEFAULTS = {
  frequency: "every",
  for: null,
  rearm: null,
  on_arm: "fire",
  expires: null,
  notify: [],
  resolved: false,
  message: null,
};

const LABELS = /** @type {Record<string, {label: string, hint: string}>} */ ({
  name: { label: "Name", hint: "Shown in every alert." },
  when: { label: "The rule as one line", hint: "The fields above write it, and it can be typed as well." },
  frequency: { label: "How often", hint: "every, once, or once-per:1h" },
  for: { label: "Only after it was true for", hint: "A duration such as 10m; empty for at once." },
  rearm: { label: "Arm again at the price", hint: "For above, below, crossing up and crossing down." },
  expires: { label: "Until", hint: "A date, or a date and time in UTC; empty for ever." },
  message: {
    label: "Message",
    hint: "May have {symbol} {price} {previous_price} {change} {threshold} {rule} {as_of}.",
  },
});

export class RuleFields {
  /**
   * @param {Rule | null} rule - Null for a new one.
   * @param {string[]} targets - The names of targets that alerts can be sent to.
   * @param {(member: string) => void} changed - Called with the name of the member that was changed.
   */
  constructor(rule, targets, changed) {
    this.changed = changed;
    /** @type {Map<string, HTMLElement>} - The places of errors by the member of the API that they are about. */
    this.errors = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.inputs = new Map();
    this.name = this.#input("name", rule?.name, { required: true, maxlength: 128, placeholder: "Apple breaks out" });
    this.when = this.#input("when", rule?.when, {
      required: true,
      class: "mono",
      placeholder: "AAPL crossing up 200",
      spellcheck: "false",
    });
    this.picker = new ConditionPicker((when) => {
      this.when.value = when;
      this.#take("when");
    });
    this.when.addEventListener("input", () => this.picker.take(this.when.value));
    this.frequency = this.#input("frequency", rule?.frequency ?? "every", {
      list: "frequencies",
      placeholder: "every",
    });
    this.hold = this.#input("for", rule?.for, { placeholder: "10m" });
    this.rearm = this.#input("rearm", rule?.rearm, { inputmode: "decimal", placeholder: "195" });
    this.expires = this.#input("expires", rule?.expires, { placeholder: "2027-01-31" });
    this.message = this.#input("message", rule?.message, { maxlength: 500, placeholder: "{symbol} is at {price}" });
    this.waits = element("input", { type: "checkbox", checked: rule?.on_arm === "wait" });
    this.resolved = element("input", { type: "checkbox", checked: rule?.resolved ?? false });
    this.notify = [...new Set([...targets, ...(rule?.notify ?? [])])].map((name) => ({
      name,
      input: element("input", { type: "checkbox", checked: rule?.notify?.includes(name) ?? false }),
    }));
  }

  /**
   * Return all fields.
   *
   * @param {HTMLElement} place - Shown below the condition.
   * @returns {HTMLElement[]}
   */
  elements(place) {
    const condition = element("fieldset", { class: "group" }, element("legend", {}, "When"), this.picker.element);
    condition.append(this.#field("when", this.when), place);
    return [this.#field("name", this.name), condition, this.#targetGroup(), this.#optionGroup()];
  }

  /** @returns {Record<string, unknown>} The rule as the API takes it. */
  values() {
    return { name: this.name.value.trim(), when: this.when.value.trim(), ...this.#options() };
  }

  /** Return true if a required field is empty, and say so at the first. */
  findsMissing() {
    /** @type {[HTMLInputElement, string, string][]} */
    const needed = [
      [this.name, "name", "Give the rule a name."],
      [this.when, "when", "Say what is to happen, such as AAPL crossing up 200."],
    ];
    const missing = needed.find(([input]) => !input.value.trim());
    if (missing) this.showError(missing[1], missing[2]);
    return Boolean(missing);
  }

  /**
   * Show an error at the field of a member, and go there. Returns false if there is no such field.
   *
   * @param {string} member
   * @param {string} words
   */
  showError(member, words) {
    const place = this.errors.get(member);
    if (!place) return false;
    for (const each of this.errors.keys()) this.#write(each, "");
    this.#write(member, words);
    const closed = place.closest("details");
    if (closed) closed.open = true;
    this.inputs.get(member)?.focus();
    return true;
  }

  #options() {
    const text = (/** @type {HTMLInputElement} */ input) => input.value.trim() || null;
    return {
      frequency: text(this.frequency) ?? "every",
      for: text(this.hold),
      rearm: text(this.rearm),
      on_arm: this.waits.checked ? "wait" : "fire",
      expires: text(this.expires),
      notify: this.notify.filter(({ input }) => input.checked).map(({ name }) => name),
      resolved: this.resolved.checked,
      message: text(this.message),
    };
  }

  #targetGroup() {
    const words = this.notify.length ? ["Without a target, alerts show on this page only."] : [
      "There is no target yet, so alerts show on this page only. ",
      element("code", {}, "./stockwire notify add NAME URL"),
      " adds one.",
    ];
    return element(
      "fieldset",
      { class: "group", "aria-describedby": "hint-notify" },
      element("legend", {}, "Send alerts to"),
      this.notify.length
        ? element("div", { class: "checks" }, ...this.notify.map(({ name, input }) => check(input, oneLine(name))))
        : null,
      element("p", { class: "hint", id: "hint-notify" }, ...words),
      this.#errorOf("notify"),
    );
  }

  #optionGroup() {
    const isUsed = JSON.stringify({ ...this.#options(), notify: [] }) !== JSON.stringify(DEFAULTS);
    return element(
      "details",
      { class: "group", open: isUsed },
      element("summary", {}, "How often, how long, until when"),
      element(
        "div",
        { class: "form option-grid" },
        this.#field("frequency", this.frequency),
        this.#field("for", this.hold),
        this.#field("rearm", this.rearm),
        this.#field("expires", this.expires),
        this.#field("message", this.message),
        check(this.waits, "Do not fire if the condition is true already"),
        this.#errorOf("on_arm"),
        check(this.resolved, "Tell the end of the condition too"),
        this.#errorOf("resolved"),
      ),
      element(
        "datalist",
        { id: "frequencies" },
        ...["every", "once", "once-per:1h", "once-per:1d"].map((value) => element("option", { value })),
      ),
    );
  }

  /**
   * @param {string} member
   * @param {string | null | undefined} value
   * @param {import("./dom.js").Attributes} attributes
   */
  #input(member, value, attributes) {
    const input = element("input", {
      id: `field-${member}`,
      value: value ?? "",
      autocomplete: "off",
      "aria-describedby": `hint-${member} error-${member}`,
      ...attributes,
      input: () => this.#take(member),
    });
    this.inputs.set(member, input);
    return input;
  }

  /**
   * @param {string} member
   * @param {HTMLElement} input
   */
  #field(member, input) {
    const { label, hint } = LABELS[member];
    return element(
      "div",
      { class: "field" },
      element("label", { for: input.id }, label),
      input,
      element("p", { class: "hint", id: `hint-${member}` }, hint),
      this.#errorOf(member),
    );
  }

  /** @param {string} member */
  #errorOf(member) {
    const place = element("p", { class: "field-error", id: `error-${member}`, hidden: true });
    this.errors.set(member, place);
    return place;
  }

  /** @param {string} member */
  #take(member) {
    this.#write(member, "");
    this.changed(member);
  }

  /**
   * @param {string} member
   * @param {string} words - Empty removes the error.
   */
  #write(member, words) {
    const place = this.errors.get(member);
    if (!place) return;
    setText(place, oneLine(words));
    place.hidden = !words;
    const input = this.inputs.get(member);
    if (input) setAttribute(input, "aria-invalid", words ? "true" : null);
  }
}

/**
 * @param {HTMLElement} input
 * @param {string} label
 */
function check(input, label) {
  return element("label", { class: "check" }, input, element("span", {}, label));
}
