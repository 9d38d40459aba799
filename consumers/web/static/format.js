// Prices, changes, volumes and times as text. A price is a decimal text from end to end: it is never made a float to be shown.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * Return the text of a number with its digits in groups: `1234567.25` is `1,234,567.25`.
 *
 * @param {string | number} number - A decimal without an exponent.
 * @returns {string}
 */
export function groupDigits(number) {
  const [whole, fraction] = String(number).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/**
 * Return a price with at least two digits after the point, as it is written by people: `412.5` is `412.50`.
 *
 * @param {string | null | undefined} price
 * @returns {string} An en dash if there is no price.
 */
export function formatPrice(price) {
  if (price === null || price === undefined) return "–";
  const [whole, fraction = ""] = price.split(".");
  return groupDigits(`${whole}.${fraction.padEnd(2, "0")}`);
}

/**
 * Return the change from one price to another in hundredths of a percent, rounded half up, without floats.
 *
 * @param {string} from
 * @param {string} to
 * @returns {bigint}
 */
export function changeInBasisPoints(from, to) {
  const scale = Math.max(digitsAfterPoint(from), digitsAfterPoint(to));
  const before = scaled(from, scale);
  const difference = (scaled(to, scale) - before) * 20000n + (scaled(to, scale) < before ? -before : before);
  return difference / (2n * before);
}

/**
 * Return a change in percent: `+1.25 %`.
 *
 * @param {bigint} basisPoints
 * @returns {string}
 */
export function formatChange(basisPoints) {
  const sign = basisPoints < 0n ? "−" : basisPoints > 0n ? "+" : "";
  const digits = String(basisPoints < 0n ? -basisPoints : basisPoints).padStart(3, "0");
  return `${sign}${groupDigits(digits.slice(0, -2))}.${digits.slice(-2)} %`;
}

/**
 * Return a volume in short: `24.2 M`.
 *
 * @param {number | null | undefined} volume
 * @returns {string} An en dash if it is not known.
 */
export function formatVolume(volume) {
  if (volume === null || volume === undefined) return "–";
  for (const [size, unit] of /** @type {[number, string][]} */ ([[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]])) {
    if (volume >= size) return `${(volume / size).toFixed(volume / size < 100 ? 2 : 1)} ${unit}`;
  }
  return String(volume);
}

/**
 * Return a size in powers of 1024, as file managers show it: `4.2 MiB`.
 *
 * @param {number | null | undefined} bytes
 * @returns {string} An en dash if it is not known.
 */
export function formatBytes(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  for (
    const [size, unit]
      of /** @type {[number, string][]} */ ([[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]])
  ) {
    if (bytes >= size) return `${(bytes / size).toFixed(bytes / size < 100 ? 1 : 0)} ${unit}`;
  }
  return `${bytes} B`;
}

/**
 * Return an age or a duration in its two largest units: `12 s`, `3 min`, `1 h 5 min`, `2 d 3 h`.
 *
 * @param {number} seconds
 * @returns {string}
 */
export function formatDuration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return twoUnits(whole, HOUR, "h", MINUTE, "min");
  return twoUnits(whole, DAY, "d", HOUR, "h");
}

/**
 * Return the delay between two instants with a precision that suits it: `350 ms`, `1.2 s`, `15 min`.
 *
 * @param {number} milliseconds
 * @returns {string}
 */
export function formatDelay(milliseconds) {
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  if (milliseconds < 10_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return formatDuration(milliseconds / 1000);
}

/**
 * Return the number of things with their name: `1 price`, `12 prices`.
 *
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 * @returns {string}
 */
export function countOf(count, one, many = `${one}s`) {
  return `${groupDigits(count)} ${count === 1 ? one : many}`;
}

/**
 * @param {number} seconds
 * @param {number} large
 * @param {string} largeUnit
 * @param {number} small
 * @param {string} smallUnit
 */
function twoUnits(seconds, large, largeUnit, small, smallUnit) {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeUnit}${rest ? ` ${rest} ${smallUnit}` : ""}`;
}

/** @param {string} price */
export function digitsAfterPoint(price) {
  const point = price.indexOf(".");
  return point < 0 ? 0 : price.length - point - 1;
}

/**
 * @param {string} price
 * @param {number} scale
 */
function scaled(price, scale) {
  const [whole, fraction = ""] = price.split(".");
  return BigInt(whole + fraction.padEnd(scale, "0"));
}
