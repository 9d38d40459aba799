// Alerts: rules with their states, the feed of alerts, deliveries, and rules that are held after a jump.

import { showRuleForm } from "./rule_form.js";
import { acknowledgeRule, readRules, removeRule, saveRule, silenceRule } from "../alert_rules.js";
import { AlertFeed, alertOfEvent } from "../components/alert_feed.js";
import { DeliveryList } from "../components/delivery_list.js";
import { askToConfirm } from "../components/dialog.js";
import { element, setText } from "../components/dom.js";
import { HeldSymbols } from "../components/held_symbols.js";
import { failure, notice } from "../components/notice.js";
import { notificationSwitch } from "../components/notification_switch.js";
import { RuleTable } from "../components/rule_table.js";
import { panel } from "../components/tables.js";
import { toast } from "../components/toast.js";
import { oneLine } from "../foreign_text.js";
import { countOf } from "../format.js";
import { oncePerFrame } from "../frames.js";

// Milliseconds.
/** States and distances change with every price, so the rules are read again now and then. */
const RELOAD_EVERY = 10_000;
const AFTER_ALERT = 400;
const WRITE_PRICES_EVERY = 1000;
const PER_PAGE = 200; // rules
const MOST = 10_000; // rules; the API gives no more at once

/** @typedef {import("../alert_rules.js").Rule} Rule */
/** @typedef {import("../components/rule_table.js").Action} Action */

/** @param {string} argument */
export function title(argument) {
  if (argument.startsWith("new")) return "New rule";
  return argument.startsWith("edit/") ? "Edit rule" : "Alerts";
}

/**
 * Show the alerts, or with `new`, `new/SYMBOL` and `edit/ID` the form of a rule.
 *
 * @param {HTMLElement} root
 * @param {import("../app.js").App} app
 * @param {string} argument
 * @returns {() => void}
 */
export function show(root, app, argument) {
  const [page, ...rest] = argument.split("/");
  if (page === "new") return showRuleForm(root, app, { id: null, symbol: rest.join("/") });
  if (page === "edit") return showRuleForm(root, app, { id: Number(rest[0]), symbol: "" });
  const view = new AlertsView(root, app);
  view.load();
  return () => view.close();
}

class AlertsView {
  /**
   * @param {HTMLElement} root
   * @param {import("../app.js").App} app
   */
  constructor(root, app) {
    this.ending = new AbortController();
    /** @type {Rule[]} */
    this.rules = [];
    this.wanted = PER_PAGE; // rules that are read, if there are so many
    this.hasMore = false;
    this.soon = 0;
    this.summary = element("p", { class: "quiet-text", role: "status" });
    this.filter = element("input", {
      type: "search",
      placeholder: "Filter",
      "aria-label": "Filter rules by name, condition or state",
      autocomplete: "off",
      spellcheck: "false",
      input: () => this.#filter(),
    });
    this.table = new RuleTable(app.store, (action, rule, value) => this.#act(action, rule, value));
    this.content = element("div", {}, notice("loading", "Loading the rules…"));
    this.more = element("button", { type: "button", hidden: true, click: () => this.#loadMore() }, "Show more rules");
    this.held = new HeldSymbols(() => this.#reload());
    this.feed = new AlertFeed();
    this.deliveries = new DeliveryList();
    const { button, stop } = notificationSwitch(app.notifications);
    root.append(this.#header(button), this.held.element, this.#columns(), this.deliveries.element);
    this.timers = [
      setInterval(() => document.visibilityState === "visible" && this.#reload(), RELOAD_EVERY),
      setInterval(oncePerFrame(() => this.table.writePrices()), WRITE_PRICES_EVERY),
    ];
    this.stopListening = [
      stop,
      app.live.events.add((kind, event) => kind === "alert" && this.#takeAlert(event)),
      app.live.caughtUp.add(() => this.load()),
      app.live.connections.add(({ state }) => {
        if (state === "live" && root.querySelector('.notice[data-kind="failed"]')) this.load();
      }),
    ];
  }

  close() {
    this.ending.abort();
    for (const timer of this.timers) clearInterval(timer);
    clearTimeout(this.soon);
    for (const stop of this.stopListening) stop();
    for (const part of [this.held, this.feed, this.deliveries]) part.close();
  }

  /** Read everything. */
  load() {
    this.feed.load();
    this.deliveries.load();
    return this.#reload();
  }

  /** @param {HTMLButtonElement} notifying */
  #header(notifying) {
    return element(
      "div",
      { class: "view-header" },
      element("div", {}, element("h1", {}, "Alerts"), this.summary),
      element(
        "div",
        { class: "toolbar" },
        this.filter,
        notifying,
        element("a", { class: "button primary", href: "#/alerts/new" }, "New rule"),
      ),
    );
  }

  #columns() {
    const rules = panel("alert-rules", "Rules", [this.content, element("div", { class: "panel-foot" }, this.more)]);
    return element("div", { class: "alert-columns" }, rules, this.feed.element);
  }

  async #reload() {
    const { signal } = this.ending;
    this.held.load();
    try {
      const { rules, next_page_token: next } = await readRules(this.wanted, signal);
      this.rules = rules;
      this.hasMore = next !== null;
      this.#show();
    } catch (error) {
      if (!signal.aborted) this.#showFailure(error);
    }
  }

  #loadMore() {
    this.wanted += PER_PAGE;
    return this.#reload();
  }

  #show() {
    this.more.hidden = !this.hasMore || this.wanted >= MOST;
    this.table.setRules(this.rules);
    if (!this.rules.length) {
      const words = "A rule watches prices for you, and tells when something happens: AAPL crossing up 200.";
      const add = { label: "Add the first rule", act: () => location.assign("#/alerts/new") };
      this.content.replaceChildren(notice("empty", "No rules yet", words, add));
    } else if (!this.table.element.isConnected) {
      this.content.replaceChildren(this.table.element);
    }
    this.#filter();
  }

  /** @param {unknown} error */
  #showFailure(error) {
    // Rules that are shown already stay; the header tells that the connection is gone.
    if (this.table.element.isConnected) return;
    this.content.replaceChildren(failure("The rules could not be loaded", error, () => this.load()));
  }

  #filter() {
    const shown = this.table.filter(this.filter.value);
    const firing = this.rules.filter((rule) => rule.state === "firing").length;
    const all = `${countOf(this.rules.length, "rule")}${this.hasMore ? " and more" : ""}`;
    setText(
      this.summary,
      [shown < this.rules.length ? `${shown} of ${all}` : all, firing ? `${firing} firing` : ""].filter(Boolean).join(
        " · ",
      ),
    );
  }

  /** @param {import("../live.js").CloudEvent} event */
  #takeAlert(event) {
    this.feed.take(alertOfEvent(event));
    this.soon ||= setTimeout(() => {
      this.soon = 0;
      this.#reload();
      this.deliveries.load();
    }, AFTER_ALERT);
  }

  /**
   * @param {Action} action
   * @param {Rule} rule
   * @param {string} [value]
   */
  async #act(action, rule, value = "off") {
    try {
      const words = await this.#do(action, rule, value);
      if (words) toast(words);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "failed");
    }
    await this.#reload();
  }

  /**
   * Do it, and return words about it, or nothing if the user does not want it after all.
   *
   * @param {Action} action
   * @param {Rule} rule
   * @param {string} value
   */
  async #do(action, { id, name }, value) {
    const shown = oneLine(name);
    switch (action) {
      case "acknowledge":
        await acknowledgeRule(id);
        return `${shown} is acknowledged: it says no more until it is armed again.`;
      case "silence":
        await silenceRule(id, value);
        return `${shown} is silenced for ${value}.`;
      case "unsilence":
        await silenceRule(id, "off");
        return `${shown} is no longer silenced.`;
      case "enable":
      case "disable":
        await saveRule(id, { enabled: action === "enable" });
        return `${shown} is ${action}d.`;
      case "remove":
        if (!(await this.#isSure(shown))) return "";
        await removeRule(id);
        return `${shown} is removed.`;
    }
  }

  /** @param {string} name */
  #isSure(name) {
    return askToConfirm({
      title: `Remove ${name}?`,
      words: "The rule watches no prices any more. The alerts that it has raised stay.",
      confirm: "Remove",
      danger: true,
    });
  }
}
