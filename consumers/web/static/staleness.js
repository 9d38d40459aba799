// The reason why a price is old: since when, and in words that say who is to blame.

/** @typedef {import("./store.js").Quote} Quote */
/** @typedef {import("./health.js").Health} Health */
/** @typedef {{kind: "closed" | "stale", words: string}} Staleness */

const UNIT_SECONDS = /** @type {Record<string, number>} */ ({ s: 1, m: 60, h: 3600, d: 86_400 });
/** The words without a reason. */
export const NO_REASON = "no newer price has come";
/** A sync may take this long before its prices count as late. Milliseconds. */
const GRACE = 30_000;

/**
 * Return why a price is old, or null if it is as new as it should be.
 *
 * @param {Quote} quote
 * @param {Health | null} health - Null if it is not known.
 * @param {boolean} isConnected - False while the page gets no live events.
 * @param {number} now - Milliseconds since 1970.
 * @returns {Staleness | null}
 */
export function staleness(quote, health, isConnected, now) {
  const failure = failureOf(quote.symbol, health);
  if (failure) return { kind: "stale", words: failure };
  if (health?.market?.is_open === false) return { kind: "closed", words: closedWords(health.market) };
  if (!isOverdue(quote, health, now)) return null;
  if (!isConnected) return { kind: "stale", words: "this page is not connected" };
  return { kind: "stale", words: health ? blame(health) : NO_REASON };
}

/**
 * Return the milliseconds between syncs, or null for a crontab.
 *
 * @param {string | undefined} schedule - Such as `5m` or `1h30m`.
 */
export function scheduleInterval(schedule) {
  if (!schedule || !/^(\d+(\.\d+)?[smhd])+$/.test(schedule)) return null;
  let seconds = 0;
  for (const [, count, unit] of schedule.matchAll(/(\d+(?:\.\d+)?)([smhd])/g)) {
    seconds += Number(count) * UNIT_SECONDS[unit];
  }
  return seconds * 1000;
}

/**
 * @param {string} symbol
 * @param {Health | null} health
 * @returns {string | null} The words of the providers if the last sync had no price of this symbol.
 */
function failureOf(symbol, health) {
  for (const failure of health?.last_sync?.failures ?? []) {
    if (failure.symbols.includes(symbol)) return failure.reason;
  }
  return null;
}

/**
 * @param {Quote} quote
 * @param {Health | null} health
 * @param {number} now
 */
function isOverdue(quote, health, now) {
  if (quote.observedAt === null) return false;
  const interval = scheduleInterval(health?.schedule);
  if (interval !== null) return now - quote.observedAt > 2 * interval + GRACE;
  const due = health?.last_sync?.at ? Date.parse(health.last_sync.at) : null;
  return due !== null && quote.observedAt < due - GRACE;
}

/** @param {{text: string, until: string | null}} market */
function closedWords(market) {
  if (!market.until) return "the market is closed";
  const until = new Date(market.until);
  const words = until.toLocaleString(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit" });
  return `the market is closed until ${words}`;
}

/**
 * Return the worst problem that keeps prices from coming.
 *
 * @param {Health} health
 */
function blame(health) {
  if (health.broker?.error) return health.broker.error;
  if (health.worker?.alive === false) return health.worker.text;
  if (health.beat?.alive === false) return health.beat.text;
  const storing = health.problems?.find((/** @type {any} */ each) =>
    each.severity === "fault" && each.part === "history"
  );
  if (storing) return storing.text;
  for (const provider of health.providers ?? []) {
    const spent = (provider.credits ?? []).find((/** @type {any} */ each) => each.left === 0);
    if (spent) return `${provider.name} has no credits left for this ${spent.period}`;
    if (provider.circuit?.state === "open") return provider.circuit.reason;
    if (provider.last_error) return provider.last_error;
  }
  return health.last_sync?.text || NO_REASON;
}
