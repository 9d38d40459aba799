// The rules of a symbol as the chart shows them: thresholds as levels, firings as marks.

import { read, withQuery } from "./api.js";
import { oneLine } from "./foreign_text.js";

/** @typedef {import("./components/candle_chart.js").Level} Level */
/** @typedef {import("./components/candle_chart.js").Mark} Mark */

const NUMBER = String.raw`(\d+(?:\.\d+)?)`;
const THRESHOLD = new RegExp(String.raw`^(\S+) (above|below|crossing(?: up| down)?) ${NUMBER}$`);
const CHANNEL = new RegExp(String.raw`^(\S+) (inside|outside|entering|exiting) channel ${NUMBER} ${NUMBER}$`);
const MOST_RULES = 100;
const MOST_MARKS = 200;

/**
 * Return the prices that a rule waits for; none if it does not wait for prices of a known height.
 *
 * @param {string} when - A rule's line: `AAPL crossing up 200`.
 * @returns {{symbol: string, condition: string, prices: string[]} | null}
 */
export function thresholdsOf(when) {
  const found = THRESHOLD.exec(when) ?? CHANNEL.exec(when);
  if (!found) return null;
  const [, symbol, condition, ...prices] = found;
  return { symbol, condition, prices };
}

/**
 * Read the thresholds of the rules of a symbol. Throws Problem.
 *
 * @param {string} symbol
 * @param {AbortSignal} signal
 * @returns {Promise<Level[]>}
 */
export async function readLevels(symbol, signal) {
  const { rules } = await read(withQuery("/v1/alert-rules", { symbol, limit: MOST_RULES }), { signal });
  const levels = [];
  for (const rule of rules) {
    const found = thresholdsOf(rule.when);
    if (!found || (found.symbol !== symbol && found.symbol !== "*")) continue;
    const isQuiet = ["disabled", "expired", "silenced", "held"].includes(rule.state);
    for (const price of found.prices) {
      levels.push({ price, title: `${oneLine(rule.name)} (${found.condition})`, isQuiet });
    }
  }
  return levels;
}

/**
 * Read the firings of the rules of a symbol since an instant. Throws Problem.
 *
 * @param {string} symbol
 * @param {number} since
 * @param {AbortSignal} signal
 * @returns {Promise<Mark[]>}
 */
export async function readMarks(symbol, since, signal) {
  const parameters = { symbol, start: new Date(since).toISOString(), sort: "desc", limit: MOST_MARKS };
  const { alerts } = await read(withQuery("/v1/alerts", parameters), { signal });
  return alerts
    .filter((/** @type {any} */ alert) => alert.symbol === symbol)
    .map((/** @type {any} */ alert) => ({
      at: Date.parse(alert.as_of),
      text: oneLine(alert.rule_name),
      kind: alert.state === "resolved" ? "resolved" : "firing",
    }));
}
