// Deliveries: the alerts that targets got, wait for, or did not get, with the reasons. Those that were given up are sent again.

import { element, setText } from "./dom.js";
import { moment } from "./moment.js";
import { failure, notice } from "./notice.js";
import { makeRow, makeTable, panel } from "./tables.js";
import { toast } from "./toast.js";
import { read, send, withQuery } from "../api.js";
import { foreign, oneLine } from "../foreign_text.js";
import { countOf } from "../format.js";

const PER_PAGE = 10;
const MOST = 1000; // the API gives no more at once
/** A delivery that is due for longer waits behind another one. Milliseconds. */
const LATE = 5000;

/** @typedef {Record<string, any>} Delivery - A row of `/v1/deliveries`. */

const COLUMNS = [
  { name: "alert", label: "Alert" },
  { name: "target", label: "Target" },
  { name: "state", label: "State" },
  { name: "raised", label: "Raised" },
  { name: "attempts", label: "Tries", isNumber: true },
  { name: "reason", label: "What happened" },
  { name: "actions", label: "Actions", isHidden: true },
];

const STATES = /** @type {Record<string, {label: string, kind: string}>} */ ({
  pending: { label: "pending", kind: "warning" },
  sent: { label: "delivered", kind: "good" },
  failed: { label: "given up", kind: "bad" },
  expired: { label: "given up", kind: "bad" },
});

const CHOICES = { "": "All", pending: "Pending", "failed,expired": "Given up", sent: "Delivered" };

export class DeliveryList {
  constructor() {
    this.ending = new AbortController();
    this.choice = "";
    this.wanted = PER_PAGE; // deliveries that are read, if there are so many
    this.body = element("div", {}, notice("loading", "Loading the deliveries…"));
    this.more = element("button", { type: "button", hidden: true, click: () => this.#loadMore() }, "Show older ones");
    this.again = element(
      "button",
      { type: "button", hidden: true, click: () => this.#redeliver({}) },
      "Send all given up again",
    );
    this.element = panel("deliveries", "Deliveries", [
      this.#choices(),
      this.body,
      element("div", { class: "panel-foot" }, this.more),
    ], this.again);
  }

  close() {
    this.ending.abort();
  }

  /** Read the newest deliveries, as many as are shown. */
  async load() {
    const { signal } = this.ending;
    const { choice, wanted } = this;
    try {
      const path = withQuery("/v1/deliveries", { state: choice || null, limit: wanted });
      const page = await read(path, { signal });
      if (choice !== this.choice || wanted !== this.wanted) return;
      this.#writeButtons(page);
      if (!page.deliveries.length) return this.#showEmpty();
      const { table, body } = makeTable("Deliveries, the newest first", COLUMNS, "deliveries");
      body.append(...page.deliveries.map((/** @type {Delivery} */ each) => this.#row(each)));
      this.body.replaceChildren(element("div", { class: "table-frame" }, table));
    } catch (error) {
      if (!signal.aborted) {
        this.body.replaceChildren(failure("The deliveries could not be loaded", error, () => this.load()));
      }
    }
  }

  #loadMore() {
    this.wanted = Math.min(MOST, 5 * this.wanted);
    return this.load();
  }

  /** @param {Record<string, any>} page */
  #writeButtons({ next_page_token: next, counts: { given_up: givenUp } }) {
    this.more.hidden = !next || this.wanted === MOST;
    this.again.hidden = !givenUp;
    setText(this.again, `Send ${countOf(givenUp, "alert")} again`);
  }

  #showEmpty() {
    const [title, words] = this.choice ? ["None of these", "Choose another state above to see other deliveries."] : [
      "Nothing was sent yet",
      "Give a rule a target, and its alerts are sent there. ./stockwire notify add NAME URL adds a target.",
    ];
    this.body.replaceChildren(notice("empty", title, words));
  }

  #choices() {
    const radios = Object.entries(CHOICES).map(([value, label]) => {
      const change = () => {
        this.choice = value;
        this.wanted = PER_PAGE;
        this.load();
      };
      return element(
        "label",
        {},
        element("input", { type: "radio", name: "deliveries", value, checked: value === "", change }),
        label,
      );
    });
    return element(
      "div",
      { class: "panel-note" },
      element("fieldset", { class: "choices" }, element("legend", { class: "spoken" }, "Deliveries shown"), ...radios),
    );
  }

  /** @param {Delivery} delivery */
  #row(delivery) {
    const { id, target, state, attempts, raised_at: raised } = delivery;
    const { label, kind } = STATES[state] ?? { label: state, kind: "" };
    const isGivenUp = state === "failed" || state === "expired";
    const again = isGivenUp && element(
      "button",
      {
        type: "button",
        "aria-label": `Send again to ${oneLine(target)}: ${oneLine(titleOf(delivery))}`,
        click: () => this.#redeliver({ ids: [id], target }),
      },
      "Send again",
    );
    return makeRow(COLUMNS, [
      foreign(titleOf(delivery)),
      foreign(target),
      element("span", { class: "tag", "data-kind": kind }, label),
      moment(raised),
      String(attempts),
      happened(delivery),
      again || null,
    ]);
  }

  /** @param {{ids?: string[], target?: string}} which */
  async #redeliver(which) {
    try {
      const { count } = await send("POST", "/v1/deliveries/redeliver", which);
      toast(
        count
          ? `${countOf(count, "alert is", "alerts are")} sent again within 2 seconds.`
          : "There was nothing to send again.",
      );
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "failed");
    }
    await this.load();
  }
}

/** @param {Delivery} delivery */
function titleOf({ type, symbol, rule_name: rule, event_state: state }) {
  if (type === "RULES_HELD") return `${symbol}: rules are held`;
  return state === "resolved" ? `${rule} (${symbol}) is over` : `${rule} (${symbol})`;
}

/** @param {Delivery} delivery */
function happened({ state, error, finished_at: finished, next_try_at: next }) {
  if (state === "sent") return ["delivered ", moment(finished)];
  if (state === "pending") {
    const isBehind = Date.now() - Date.parse(next) > LATE;
    if (isBehind) return ["waits behind an earlier alert to this target"];
    return [error ? foreign(error) : "waits", " · next try ", moment(next)];
  }
  return [foreign(error ?? "unknown"), state === "expired" ? " · its time to live was over" : null];
}
