import assert from "node:assert/strict";
import { continueCandle, isMostlyFlat, replaceTail } from "../../../consumers/web/static/candles.js";
import { chartTime, formatInstant, zoneOffset } from "../../../consumers/web/static/time_zones.js";
import { unknownQuote } from "../../../consumers/web/static/store.js";

const M5 = { name: "5Min", length: 300_000, isDate: false };
const DAY = { name: "1Day", length: 86_400_000, isDate: true };
const at = Date.parse;

/** @param {string} start @param {string} close @param {number} [samples] */
function candle(start, close, samples = 1) {
  return { at: at(start), start, open: close, high: close, low: close, close, volume: null, samples };
}

/** @param {string} asOf @param {string} price */
function quote(asOf, price) {
  return { ...unknownQuote("AAPL"), asOf: at(asOf), price };
}

Deno.test("a live price moves the last candle or begins the next", () => {
  const last = candle("2026-11-30T10:00:00Z", "100");
  const higher = continueCandle(last, quote("2026-11-30T10:04:59Z", "101.5"), M5, "UTC");
  assert.deepEqual(higher, { ...last, high: "101.5", close: "101.5", samples: 2 });
  const next = continueCandle(last, quote("2026-11-30T10:05:00Z", "99"), M5, "UTC");
  assert.deepEqual([next?.at, next?.open, next?.samples], [at("2026-11-30T10:05:00Z"), "99", 1]);
  assert.equal(continueCandle(last, quote("2026-11-30T09:59:59Z", "99"), M5, "UTC"), null);
});

Deno.test("days begin at midnight of the zone", () => {
  const last = candle("2026-11-29T23:00:00Z", "100");
  const same = continueCandle(last, quote("2026-11-30T22:59:00Z", "101"), DAY, "Europe/Berlin");
  assert.equal(same?.at, last.at);
  const next = continueCandle(last, quote("2026-11-30T23:00:00Z", "101"), DAY, "Europe/Berlin");
  assert.equal(next?.at, at("2026-11-30T23:00:00Z"));
});

Deno.test("what was read again replaces the end, unless live prices are ahead of it", () => {
  const candles = [
    candle("2026-11-30T10:00:00Z", "1"),
    candle("2026-11-30T10:05:00Z", "2"),
    candle("2026-11-30T10:10:00Z", "3", 9),
  ];
  const again = [candle("2026-11-30T10:05:00Z", "2.5", 2), candle("2026-11-30T10:10:00Z", "3.5", 8)];
  const found = replaceTail(candles, again);
  assert.deepEqual(found.map((each) => each.close), ["1", "2.5", "3"]);
  assert.deepEqual(replaceTail(candles, []), candles);
});

Deno.test("candles of single prices are flat", () => {
  assert.equal(isMostlyFlat([candle("2026-11-30T10:00:00Z", "1")]), true);
  assert.equal(isMostlyFlat([{ ...candle("2026-11-30T10:00:00Z", "1"), high: "2" }]), false);
});

Deno.test("the chart shows the clock of the zone on both sides of a change of the clock", () => {
  const summer = at("2026-07-01T12:00:00Z");
  const winter = at("2026-12-01T12:00:00Z");
  assert.equal(zoneOffset("America/New_York", summer), -4 * 3_600_000);
  assert.equal(zoneOffset("America/New_York", winter), -5 * 3_600_000);
  assert.equal(chartTime("America/New_York", winter, false), at("2026-12-01T07:00:00Z") / 1000);
  assert.equal(chartTime("Asia/Kolkata", winter, false), at("2026-12-01T17:30:00Z") / 1000);
});

Deno.test("a trading date that begins the evening before is that date", () => {
  const begin = at("2026-12-01T23:00:00Z"); // 18:00 in New York
  assert.equal(chartTime("America/New_York", begin, true), at("2026-12-02T00:00:00Z") / 1000);
  const midnight = at("2026-12-02T05:00:00Z");
  assert.equal(chartTime("America/New_York", midnight, true), at("2026-12-02T00:00:00Z") / 1000);
});

Deno.test("instants have the precision that is asked for", () => {
  const instant = at("2026-11-30T15:04:05.123Z");
  assert.equal(formatInstant(instant, "UTC", "date"), "30 Nov 2026");
  assert.equal(formatInstant(instant, "UTC", "minutes"), "30 Nov 2026, 15:04");
  assert.equal(formatInstant(instant, "Europe/Berlin", "milliseconds"), "30 Nov 2026, 16:04:05.123");
});
