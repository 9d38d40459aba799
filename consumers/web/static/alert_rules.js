// Alert rules as the API has them, and words about them.

import { read, send, withQuery } from "./api.js";

/**
 * A rule of `/v1/alert-rules`. Prices and durations are texts, as in files of rules.
 *
 * @typedef {object} Rule
 * @property {number} id
 * @property {string} name
 * @property {string} when - The line `AAPL crossing up 200`.
 * @property {string} state
 * @property {string | null} [since] - When the state began, if that is known.
 * @property {string[]} [also] - Further states, such as `firing` of a rule that is silenced.
 * @property {string | null} [last_price]
 * @property {string | null} [distance] - From the last price to the threshold: `+5.23%`.
 * @property {number} [fired]
 * @property {string | null} [created_at]
 * @property {string | null} [silenced_until]
 * @property {boolean} [enabled]
 * @property {string | null} [frequency]
 * @property {string | null} [for]
 * @property {string | null} [rearm]
 * @property {string | null} [on_arm]
 * @property {string | null} [expires]
 * @property {string[]} [notify]
 * @property {boolean} [resolved]
 * @property {string | null} [message]
 */

/** @typedef {{rules: Rule[], next_page_token: string | null}} RulePage */

/**
 * Read the oldest rules, oldest first.
 *
 * @param {number} limit
 * @param {AbortSignal} signal
 * @returns {Promise<RulePage>}
 */
export function readRules(limit, signal) {
  return read(withQuery("/v1/alert-rules", { limit }), { signal });
}

/**
 * @param {number} id
 * @param {AbortSignal} [signal]
 * @returns {Promise<Rule>}
 */
export function readRule(id, signal) {
  return read(`/v1/alert-rules/${id}`, { signal });
}

/**
 * Store a new rule, or change one.
 *
 * @param {number | null} id - Null for a new rule.
 * @param {Record<string, unknown>} fields
 * @returns {Promise<Rule>}
 */
export function saveRule(id, fields) {
  return id === null ? send("POST", "/v1/alert-rules", fields) : send("PATCH", `/v1/alert-rules/${id}`, fields);
}

/** @param {number} id */
export function removeRule(id) {
  return send("DELETE", `/v1/alert-rules/${id}`);
}

/**
 * @param {number} id
 * @param {string} until - A duration from now on such as `8h`, or `off`.
 */
export function silenceRule(id, until) {
  return send("POST", `/v1/alert-rules/${id}/silence`, { until });
}

/** @param {number} id */
export function acknowledgeRule(id) {
  return send("POST", `/v1/alert-rules/${id}/ack`);
}

/**
 * Return the symbol of a rule, or `*`.
 *
 * @param {string} when
 */
export function symbolOf(when) {
  return when.split(" ")[0];
}

/** What a state means, and how it is shown. */
export const STATES = /** @type {Record<string, {kind: string, words: string}>} */ ({
  firing: { kind: "bad", words: "The condition is true, and the rule has fired." },
  pending: { kind: "warning", words: "The condition is true, but not for long enough yet." },
  armed: { kind: "good", words: "The rule waits for its condition." },
  held: { kind: "warning", words: "The price has jumped as in a split: the rule waits until you say if it was one." },
  silenced: { kind: "", words: "Alerts are stored, but sent to nobody." },
  acknowledged: { kind: "", words: "It has fired, and says no more until it is armed again." },
  stale: { kind: "warning", words: "No prices arrive, so nothing is decided." },
  disabled: { kind: "", words: "The rule does nothing until it is enabled." },
  expired: { kind: "", words: "The rule never fires again." },
});
