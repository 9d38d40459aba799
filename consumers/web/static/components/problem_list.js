// The problems of the pipeline, faults before warnings.

import { element } from "./dom.js";
import { foreign, sentence } from "../foreign_text.js";

/** @typedef {{severity: "fault" | "warning", part: string, text: string}} ProblemLine */

/**
 * Return the list, or one calm line if there is no problem.
 *
 * @param {ProblemLine[]} problems
 * @returns {HTMLElement}
 */
export function problemList(problems) {
  if (!problems.length) {
    return element(
      "p",
      { class: "verdict", "data-kind": "good" },
      element("span", { class: "verdict-mark", "aria-hidden": "true" }, "✓"),
      "All is well: every part runs.",
    );
  }
  return element(
    "ul",
    { class: "problems", "aria-label": "Problems" },
    ...problems.map(({ severity, text }) =>
      element(
        "li",
        { class: "problem", "data-severity": severity },
        element("strong", { class: "problem-kind" }, severity === "fault" ? "Fault" : "Warning"),
        element("span", {}, foreign(sentence(text))),
      )
    ),
  );
}
