import assert from "node:assert/strict";
import { scheduleInterval, staleness } from "../../../consumers/web/static/staleness.js";
import { unknownQuote } from "../../../consumers/web/static/store.js";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const HEALTHY = {
  schedule: "5m",
  market: null,
  last_sync: { at: "2026-11-30T11:58:00Z", failures: [], text: "" },
  worker: { alive: true, text: "" },
  beat: { alive: true, text: "" },
  providers: [{ name: "yahoo", credits: [], circuit: null, last_error: null }],
  broker: { error: null },
  problems: [],
};
const OLD = 20 * 60;

/** @param {number} age - Seconds since the price was observed. */
function quote(age) {
  return { ...unknownQuote("AAPL"), price: "200", asOf: NOW - age * 1000, observedAt: NOW - age * 1000 };
}

/** @param {number} age @param {Record<string, any>} health */
function words(age, health = {}) {
  return staleness(quote(age), { ...HEALTHY, ...health }, true, NOW)?.words ?? null;
}

Deno.test("a price is as new as the schedule lets it be", () => {
  assert.equal(words(0), null);
  assert.equal(words(10 * 60), null);
  assert.equal(words(OLD), "no newer price has come");
  assert.equal(staleness(quote(OLD), HEALTHY, false, NOW)?.words, "this page is not connected");
  assert.equal(staleness(quote(OLD), null, true, NOW), null);
});

Deno.test("an old price says who is to blame", () => {
  const cases = [
    [{ broker: { error: "RabbitMQ does not answer" } }, "RabbitMQ does not answer"],
    [{ worker: { alive: false, text: "no worker" } }, "no worker"],
    [{ beat: { alive: false, text: "no beat" } }, "no beat"],
    [{ problems: [{ severity: "fault", part: "history", text: "history is away" }] }, "history is away"],
    [
      { providers: [{ name: "yahoo", credits: [{ period: "day", left: 0 }] }] },
      "yahoo has no credits left for this day",
    ],
    [{ providers: [{ name: "yahoo", circuit: { state: "open", reason: "yahoo fails" } }] }, "yahoo fails"],
    [{ providers: [{ name: "yahoo", last_error: "yahoo rejects the key" }] }, "yahoo rejects the key"],
    [{ last_sync: { ...HEALTHY.last_sync, text: "the sync failed" } }, "the sync failed"],
  ];
  for (const [health, expected] of cases) assert.equal(words(OLD, /** @type {any} */ (health)), expected);
});

Deno.test("the words of the providers about a symbol are shown at once", () => {
  const failures = [{ reason: "yahoo: no such symbol", symbols: ["AAPL"] }];
  assert.equal(words(0, { last_sync: { ...HEALTHY.last_sync, failures } }), "yahoo: no such symbol");
});

Deno.test("a closed market is no fault", () => {
  const market = { name: "XNYS", is_open: false, until: "2026-11-30T14:30:00Z", text: "" };
  const found = staleness(quote(OLD), { ...HEALTHY, market }, true, NOW);
  assert.equal(found?.kind, "closed");
  assert.match(found?.words ?? "", /^the market is closed until /);
});

Deno.test("with a crontab, a price older than the last sync is stale", () => {
  assert.equal(words(OLD, { schedule: "0 * * * *" }), "no newer price has come");
  assert.equal(words(60, { schedule: "0 * * * *" }), null);
  assert.equal(scheduleInterval("5m"), 300_000);
  assert.equal(scheduleInterval("0 * * * *"), null);
});
