// Times in a time zone. The chart library knows no zones, so it is given times that are shifted by the zone's offset.

/** @type {Map<string, Intl.DateTimeFormat>} - To make a format takes much longer than to use it. */
const formats = new Map();

/** The time zone of the browser, such as `Europe/Berlin`. */
export const BROWSER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/**
 * Return how far the clock of a zone is ahead of UTC at an instant. Both are in milliseconds.
 *
 * @param {string} zone - An IANA name.
 * @param {number} instant
 * @returns {number}
 */
export function zoneOffset(zone, instant) {
  if (zone === "UTC") return 0;
  if (zone === BROWSER_ZONE) return -60_000 * new Date(instant).getTimezoneOffset(); // much faster than a format
  const format = keptFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  /** @type {Record<string, number>} */
  const parts = {};
  for (const { type, value } of format.formatToParts(instant)) parts[type] = Number(value);
  const local = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second);
  return local - Math.floor(instant / 1000) * 1000;
}

/**
 * Return the seconds that the chart takes for an instant, so that it shows the zone's clock.
 *
 * @param {string} zone
 * @param {number} instant - In milliseconds.
 * @param {boolean} isDate - True for the begin of a trading date: the chart shows the date, also if it begins the evening
 *   before.
 * @returns {number}
 */
export function chartTime(zone, instant, isDate) {
  const seconds = Math.floor((instant + zoneOffset(zone, instant)) / 1000);
  return isDate ? Math.round(seconds / 86_400) * 86_400 : seconds;
}

/**
 * Return an instant as text in a zone: `30 Nov 2026, 15:04:05`.
 *
 * @param {number} instant - In milliseconds.
 * @param {string} zone
 * @param {"date" | "minutes" | "seconds" | "milliseconds"} [precision]
 * @returns {string}
 */
export function formatInstant(instant, zone, precision = "seconds") {
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { timeZone: zone, day: "numeric", month: "short", year: "numeric" };
  if (precision !== "date") Object.assign(options, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  if (precision === "seconds" || precision === "milliseconds") options.second = "2-digit";
  if (precision === "milliseconds") options.fractionalSecondDigits = 3;
  return keptFormat("en-GB", options).format(instant);
}

/**
 * Return an instant as `formatInstant` does, but without the date if it is today's.
 *
 * @param {number} instant - In milliseconds.
 * @param {string} zone
 * @param {"minutes" | "seconds" | "milliseconds"} precision
 * @returns {string}
 */
export function formatRecent(instant, zone, precision) {
  const text = formatInstant(instant, zone, precision);
  const today = `${formatInstant(Date.now(), zone, "date")}, `;
  return text.startsWith(today) ? text.slice(today.length) : text;
}

/**
 * @param {string} locale
 * @param {Intl.DateTimeFormatOptions} options
 * @returns {Intl.DateTimeFormat}
 */
function keptFormat(locale, options) {
  const key = JSON.stringify([locale, options]);
  const format = formats.get(key) ?? new Intl.DateTimeFormat(locale, options);
  formats.set(key, format);
  return format;
}
