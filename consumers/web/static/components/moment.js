// Instants as elements: short words for people, the exact instant for machines and on hovering.

import { element, setAttribute, setText } from "./dom.js";

/**
 * Return an element with an instant in the time zone of the browser: the time of day, with the date unless it is today's.
 *
 * @param {string | null | undefined} instant - RFC 3339.
 * @param {string} [missing] - The words without an instant.
 * @returns {HTMLElement}
 */
export function moment(instant, missing = "–") {
  const made = element("time", { class: "moment" });
  setMoment(made, instant, missing);
  return made;
}

/**
 * Let an element that `moment` has made show another instant.
 *
 * @param {HTMLElement} made
 * @param {string | null | undefined} instant
 * @param {string} [missing]
 */
export function setMoment(made, instant, missing = "–") {
  setAttribute(made, "datetime", instant ?? null);
  setAttribute(made, "title", instant ? instantWords(instant) : null);
  setText(made, instant ? shortWords(new Date(instant)) : missing);
}

/** @param {Date} at */
function shortWords(at) {
  const time = at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const now = new Date();
  if (at.toDateString() === now.toDateString()) return time;
  const year = at.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return `${at.toLocaleDateString(undefined, { day: "numeric", month: "short", year })}, ${time}`;
}

/** @param {string} instant */
function instantWords(instant) {
  const at = new Date(instant);
  return `${at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" })} (${at.toISOString()})`;
}
