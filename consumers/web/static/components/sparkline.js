// The course of a day as a small line. It is decoration beside the numbers: screen readers read its label.

import { setAttribute, svgElement } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;
const MARGIN = 2;

/** A small line chart. It is drawn again by `draw`, in the elements that it already has. */
export class Sparkline {
  constructor() {
    this.line = svgElement("polyline", { class: "sparkline-line" });
    this.base = svgElement("line", { class: "sparkline-base", x1: 0, x2: WIDTH, visibility: "hidden" });
    this.element = svgElement(
      "svg",
      {
        class: "sparkline",
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": "No course yet",
      },
      this.base,
      this.line,
    );
  }

  /**
   * Draw the values from left to right, and the previous close as a level if it is known.
   *
   * @param {import("./day_courses.js").Point[]} points - Oldest first; `at` is in milliseconds since 1970.
   * @param {number | null} previousClose
   * @param {string} label
   */
  draw(points, previousClose, label) {
    setAttribute(this.element, "aria-label", label);
    if (points.length < 2) {
      setAttribute(this.line, "points", "");
      setAttribute(this.base, "visibility", "hidden");
      return;
    }
    const values = points.map((point) => Number(point.price));
    const levels = previousClose === null ? values : [...values, previousClose];
    const lowest = Math.min(...levels);
    const range = Math.max(...levels) - lowest || 1;
    const first = points[0].at;
    const duration = points[points.length - 1].at - first || 1;
    const y = (/** @type {number} */ value) => HEIGHT - MARGIN - ((value - lowest) / range) * (HEIGHT - 2 * MARGIN);
    const x = (/** @type {number} */ at) => ((at - first) / duration) * WIDTH;
    setAttribute(
      this.line,
      "points",
      points.map((each, place) => `${x(each.at).toFixed(1)},${y(values[place]).toFixed(1)}`).join(" "),
    );
    const rises = values[values.length - 1] >= (previousClose ?? values[0]);
    setAttribute(this.element, "data-direction", rises ? "up" : "down");
    setAttribute(this.base, "visibility", previousClose === null ? "hidden" : null);
    if (previousClose !== null) {
      setAttribute(this.base, "y1", y(previousClose).toFixed(1));
      setAttribute(this.base, "y2", y(previousClose).toFixed(1));
    }
  }
}
