// Words in the place of content that is empty, still loading, or could not be loaded.

import { element } from "./dom.js";

/**
 * Return a notice.
 *
 * @param {"empty" | "loading" | "failed"} kind
 * @param {string} title
 * @param {string} [words]
 * @param {{label: string, act: () => void}} [action]
 * @returns {HTMLElement}
 */
export function notice(kind, title, words = "", action = undefined) {
  return element(
    "section",
    { class: "notice", "data-kind": kind, role: kind === "failed" ? "alert" : "status" },
    element("h2", {}, title),
    words && element("p", {}, words),
    action && element("button", { type: "button", click: () => action.act() }, action.label),
  );
}

/**
 * Return the notice for an error, with a button that tries again.
 *
 * @param {string} what - What could not be done: "The candles could not be loaded".
 * @param {unknown} error
 * @param {() => void} retry
 * @returns {HTMLElement}
 */
export function failure(what, error, retry) {
  const words = error instanceof Error ? error.message : String(error);
  return notice("failed", what, words, { label: "Try again", act: retry });
}
