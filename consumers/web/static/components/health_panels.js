// The parts of the health view: syncs, providers, queues, targets, databases and versions.

import { element } from "./dom.js";
import { moment } from "./moment.js";
import { makeRow, makeTable, panel } from "./tables.js";
import { foreign, oneLine, sentence } from "../foreign_text.js";
import { countOf, formatBytes, groupDigits } from "../format.js";

/** @typedef {import("../health.js").Health} Health */
/** @typedef {import("./dom.js").Child} Child */

const SYNC_WORDS = /** @type {Record<string, {label: string, kind: string}>} */ ({
  success: { label: "complete", kind: "good" },
  partial: { label: "some symbols failed", kind: "warning" },
  retried: { label: "is tried again", kind: "warning" },
  failed: { label: "failed", kind: "bad" },
});

/** @param {Health} health */
export function syncPanel(health) {
  const { last_sync: last, market, worker, beat } = health;
  const facts = element(
    "dl",
    { class: "facts" },
    ...fact("Last sync", last ? lastSync(last) : "There was none yet."),
    ...fact("Next sync", nextSync(health)),
    ...fact("Schedule", element("code", {}, health.schedule)),
    ...(market ? fact("Market", foreign(sentence(market.text))) : []),
    ...fact("Worker", state(worker.alive), " ", foreign(sentence(worker.text))),
    ...fact("Beat", state(beat.alive), " ", foreign(sentence(beat.text))),
  );
  const failures = last?.failures.length ? failureList(last.failures) : null;
  return panel("health-syncs", "Syncs", [element("div", { class: "panel-body" }, facts, failures)]);
}

/** @param {Record<string, any>[]} providers */
export function providerPanel(providers) {
  const columns = [
    { name: "provider", label: "Provider" },
    { name: "delivery", label: "Last delivery" },
    { name: "credits", label: "Credits" },
    { name: "circuit", label: "Circuit" },
    { name: "reason", label: "What failed" },
  ];
  const { table, body } = makeTable("Providers in the order in which they are asked", columns);
  for (const { name, is_real: isReal, last_delivery: delivery, credits, circuit, last_error: error } of providers) {
    body.append(
      makeRow(columns, [
        [foreign(name), isReal ? null : element("span", { class: "tag", "data-kind": "warning" }, "not real prices")],
        moment(delivery, "none lately"),
        credits.length ? credits.map(creditMeter) : element("span", { class: "quiet-text" }, "no limit"),
        circuit ? circuitTag(circuit) : element("span", { class: "quiet-text" }, "none"),
        error ? foreign(sentence(error)) : element("span", { class: "quiet-text" }, "nothing"),
      ]),
    );
  }
  return panel("health-providers", "Providers", [element("div", { class: "table-frame" }, table)]);
}

/**
 * @param {Health} health
 * @param {(queue: string) => void} look - Shows the dead letters of a queue.
 */
export function queuePanel({ queues, broker }, look) {
  const columns = [
    { name: "queue", label: "Queue" },
    { name: "waiting", label: "Waiting", isNumber: true },
    { name: "consumers", label: "Consumers", isNumber: true },
    { name: "dead", label: "Dead letters", isNumber: true },
  ];
  const { table, body } = makeTable("Queues on RabbitMQ", columns);
  for (const { queue, waiting, consumers, dead } of queues) {
    body.append(
      makeRow(columns, [foreign(queue), count(waiting), count(consumers, true), deadCell(queue, dead, look)]),
    );
  }
  const about = broker.available ? `${broker.product} ${broker.version} at ${broker.address}` : sentence(broker.error);
  return panel("health-queues", "Queues", [
    element("p", { class: "panel-note" }, state(broker.available), " ", foreign(about)),
    queues.length ? element("div", { class: "table-frame" }, table) : null,
  ]);
}

/** @param {Record<string, any>[]} targets */
export function targetPanel(targets) {
  const columns = [
    { name: "target", label: "Target" },
    { name: "address", label: "Address" },
    { name: "state", label: "State" },
    { name: "pending", label: "Pending", isNumber: true },
    { name: "given-up", label: "Not delivered", isNumber: true },
  ];
  const { table, body } = makeTable("Targets of alerts", columns);
  for (const { name, address, state: word, reason, pending, given_up: givenUp } of targets) {
    const kind = { enabled: "good", failing: "warning", disabled: "bad" }[String(word)];
    const tag = element("span", { class: "tag", "data-kind": kind }, word);
    body.append(
      makeRow(columns, [
        foreign(name),
        foreign(address),
        [tag, reason ? foreign(` ${reason}`) : null],
        count(pending),
        count(givenUp),
      ]),
    );
  }
  const link = element("a", { href: "#/alerts" }, "Deliveries");
  const content = targets.length ? element("div", { class: "table-frame" }, table) : element(
    "p",
    { class: "panel-note quiet-text" },
    "Alerts are sent to nobody yet. ",
    element("code", {}, "./stockwire notify add NAME URL"),
    " adds a target.",
  );
  return panel("health-targets", "Targets of alerts", [content], link);
}

/** @param {Record<string, any>[]} databases */
export function databasePanel(databases) {
  const columns = [
    { name: "database", label: "Database" },
    { name: "size", label: "Size", isNumber: true },
    { name: "url", label: "URL" },
  ];
  const { table, body } = makeTable("Databases", columns);
  for (const { name, url, bytes, error } of databases) {
    const size = error ? element("span", { class: "tag", "data-kind": "bad" }, "unreadable") : formatBytes(bytes);
    body.append(
      makeRow(columns, [name, size, [
        element("code", { class: "url" }, foreign(url)),
        error ? foreign(sentence(error)) : null,
      ]]),
    );
  }
  return panel("health-databases", "Databases", [element("div", { class: "table-frame" }, table)]);
}

/** @param {Record<string, string>} versions */
export function versionPanel(versions) {
  const facts = Object.entries(versions).flatMap(([name, version]) => fact(name, foreign(version)));
  return panel("health-versions", "Versions", [
    element("div", { class: "panel-body" }, element("dl", { class: "facts versions" }, ...facts)),
  ]);
}

/**
 * @param {string} name
 * @param {...Child} content
 */
function fact(name, ...content) {
  return [element("dt", {}, oneLine(name)), element("dd", {}, ...content)];
}

/** @param {Record<string, any>} last */
function lastSync(last) {
  const { label, kind } = SYNC_WORDS[last.state] ?? { label: last.state, kind: "" };
  return element(
    "span",
    {},
    moment(last.at),
    ` · ${countOf(last.published, "price")} published `,
    element("span", { class: "tag", "data-kind": kind }, label),
  );
}

/** @param {Health} health */
function nextSync({ next_sync: next }) {
  if (!next) return "It is not known when: no beat runs on this machine.";
  return element("span", {}, moment(next), " (", element("span", { "data-until": next }), ")");
}

/** @param {{reason: string, symbols: string[]}[]} failures */
function failureList(failures) {
  return element(
    "ul",
    { class: "failures", "aria-label": "What failed in the last sync" },
    ...failures.map(({ reason, symbols }) =>
      element("li", {}, element("strong", {}, foreign(symbols.join(", "))), ": ", foreign(reason))
    ),
  );
}

/** @param {boolean | null} alive */
function state(alive) {
  const [kind, label] = alive === null ? ["", "unknown"] : alive ? ["good", "running"] : ["bad", "away"];
  return element("span", { class: "tag", "data-kind": kind }, label);
}

/** @param {Record<string, any>} credit */
function creditMeter({ period, limit, used, left }) {
  const words = `${groupDigits(left)} of ${groupDigits(limit)} left this ${period}`;
  return element(
    "div",
    { class: "credit" },
    element("meter", { min: 0, max: limit, low: limit * 0.1, optimum: limit, value: left, "aria-label": words }),
    element("span", { class: "quiet-text", title: `${groupDigits(used)} used` }, words),
  );
}

/** @param {Record<string, any>} circuit */
function circuitTag({ state: word, retry_at: retryAt }) {
  const kind = { closed: "good", half_open: "warning", open: "bad" }[String(word)];
  const label = { closed: "closed", half_open: "half open", open: "open" }[String(word)] ?? word;
  const tag = element("span", { class: "tag", "data-kind": kind }, label);
  return retryAt ? element("span", {}, tag, " tried again ", element("span", { "data-until": retryAt })) : tag;
}

/**
 * @param {number | null} number
 * @param {boolean} [isNeeded] - True if zero is a fault.
 */
function count(number, isNeeded = false) {
  if (number === null) return element("span", { class: "quiet-text" }, "–");
  return isNeeded && !number ? element("span", { class: "tag", "data-kind": "bad" }, "none") : groupDigits(number);
}

/**
 * @param {string} queue
 * @param {number | null} dead
 * @param {(queue: string) => void} look
 */
function deadCell(queue, dead, look) {
  if (!dead) return count(dead);
  return element(
    "button",
    {
      type: "button",
      "data-name": `dead ${queue}`,
      "aria-label": `Look into ${countOf(dead, "dead letter")} of ${queue}`,
      click: () => look(queue),
    },
    `Look into ${groupDigits(dead)}`,
  );
}
