// Short notices in the corner of the page. The region of toasts is a live region, so screen readers read them.

import { element } from "./dom.js";

const SHOWN_FOR = 8000; // milliseconds
const MOST = 4;

/**
 * Show a notice for some seconds. One about a failure stays until it is closed.
 *
 * @param {string} words
 * @param {"told" | "failed"} [kind]
 */
export function toast(words, kind = "told") {
  const region = document.getElementById("toasts");
  if (!region) return;
  const shown = element(
    "div",
    { class: "toast", "data-kind": kind },
    element("p", {}, words),
    element("button", {
      type: "button",
      class: "quiet",
      "aria-label": "Close this notice",
      click: () => shown.remove(),
    }, "×"),
  );
  region.append(shown);
  while (region.children.length > MOST) region.firstElementChild?.remove();
  if (kind === "told") setTimeout(() => shown.remove(), SHOWN_FOR);
}
