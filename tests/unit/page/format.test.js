import assert from "node:assert/strict";
import * as format from "../../../consumers/web/static/format.js";

Deno.test("digits are grouped without floats", () => {
  const cases = {
    "0": "0",
    "999": "999",
    "1000": "1,000",
    "1234567.25": "1,234,567.25",
    "123456789012345": "123,456,789,012,345",
  };
  for (const [given, expected] of Object.entries(cases)) assert.equal(format.groupDigits(given), expected);
});

Deno.test("a price keeps every digit, and has at least two after the point", () => {
  assert.equal(format.formatPrice("412.5"), "412.50");
  assert.equal(format.formatPrice("200"), "200.00");
  assert.equal(format.formatPrice("0.0000231"), "0.0000231");
  assert.equal(format.formatPrice("99999999999.9999"), "99,999,999,999.9999");
  assert.equal(format.formatPrice(null), "–");
});

Deno.test("changes are exact and rounded half up", () => {
  const cases = [
    ["200", "210", "+5.00 %"],
    ["200", "190", "−5.00 %"],
    ["3", "3", "0.00 %"],
    ["100", "100.005", "+0.01 %"],
    ["100", "99.995", "−0.01 %"],
    ["100", "100.0049", "0.00 %"],
    ["0.0001", "0.1", "+99,900.00 %"],
    ["800", "200", "−75.00 %"],
  ];
  for (const [from, to, expected] of cases) {
    assert.equal(format.formatChange(format.changeInBasisPoints(from, to)), expected, `${from} to ${to}`);
  }
});

Deno.test("volumes are short", () => {
  const cases = [[0, "0"], [999, "999"], [1000, "1.00 K"], [24208769, "24.21 M"], [163812345, "163.8 M"], [
    2.5e9,
    "2.50 B",
  ]];
  for (const [volume, expected] of cases) assert.equal(format.formatVolume(/** @type {number} */ (volume)), expected);
  assert.equal(format.formatVolume(null), "–");
});

Deno.test("durations have their two largest units", () => {
  const cases = [[-3, "0 s"], [59.9, "59 s"], [60, "1 min"], [3599, "59 min"], [3600, "1 h"], [3900, "1 h 5 min"], [
    90000,
    "1 d 1 h",
  ]];
  for (const [seconds, expected] of cases) {
    assert.equal(format.formatDuration(/** @type {number} */ (seconds)), expected);
  }
  assert.equal(format.formatDelay(350.4), "350 ms");
  assert.equal(format.formatDelay(1230), "1.2 s");
  assert.equal(format.formatDelay(900_000), "15 min");
});

Deno.test("things are counted", () => {
  assert.equal(format.countOf(1, "price"), "1 price");
  assert.equal(format.countOf(1200, "price"), "1,200 prices");
});
