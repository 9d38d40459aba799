// Text that other people wrote: names of rules and providers, reasons, messages, dead letters. It is shown as text, and
// what cannot be seen in it is written out, so that it cannot pretend to be something else.

import { element } from "./components/dom.js";

/** Controls, invisible and bidirectional characters, line breaks, and what has no character at all. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu;
const UNSEEN_BUT_LINES = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu;

/**
 * Return the text on one line, with every character that cannot be seen in its spelling: `\u202e`.
 *
 * @param {string | null | undefined} text
 * @returns {string}
 */
export function oneLine(text) {
  return (text ?? "").replace(UNSEEN, spelled);
}

/**
 * Return the text with its line breaks, and every other character that cannot be seen in its spelling.
 *
 * @param {string} text
 * @returns {string}
 */
export function severalLines(text) {
  return text.replace(UNSEEN_BUT_LINES, spelled);
}

/**
 * Return an element with the text on one line. The order of its letters changes nothing around it.
 *
 * @param {string | null | undefined} text
 * @param {string} [className]
 * @returns {HTMLElement}
 */
export function foreign(text, className = "") {
  return element("bdi", { class: `foreign ${className}`.trim() }, oneLine(text));
}

/**
 * Return a text that stands by itself: on one line, with a capital at its begin unless it begins with the name of a
 * thing, such as `stockwire.history` or `yahoo:`.
 *
 * @param {string} text
 * @returns {string}
 */
export function sentence(text) {
  const line = oneLine(text);
  return /^[a-z]+[ ,]/.test(line) ? line.charAt(0).toUpperCase() + line.slice(1) : line;
}

/** @param {string} character */
function spelled(character) {
  const code = /** @type {number} */ (character.codePointAt(0)).toString(16);
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
}
