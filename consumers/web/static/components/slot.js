// A place whose content is made anew only if what it shows has changed.

import { element } from "./dom.js";

/** A place in the page. */
export class Slot {
  /** @param {string} [className] */
  constructor(className = "slot") {
    this.element = element("div", { class: className, hidden: true });
    this.shown = "";
  }

  /**
   * Show what `make` returns, if `data` is not the data that is shown already. Null empties the place.
   *
   * An element with the attribute `data-name` that has the focus gives it to the new element of the same name.
   *
   * @param {unknown} data - Plain JSON.
   * @param {() => Node | null} make
   */
  fill(data, make) {
    const text = data === null || data === undefined ? "" : JSON.stringify(data);
    if (text === this.shown) return;
    this.shown = text;
    const focused = focusedName(this.element);
    const made = text ? make() : null;
    this.element.replaceChildren(...(made ? [made] : []));
    this.element.hidden = !made;
    if (focused !== null) focusNamed(this.element, focused);
  }
}

/** @param {HTMLElement} place */
function focusedName(place) {
  const focused = document.activeElement;
  return focused instanceof HTMLElement && place.contains(focused) ? (focused.dataset.name ?? null) : null;
}

/**
 * @param {HTMLElement} place
 * @param {string} name
 */
function focusNamed(place, name) {
  for (const each of place.querySelectorAll("[data-name]")) {
    if (each instanceof HTMLElement && each.dataset.name === name) {
      each.focus({ preventScroll: true });
      return;
    }
  }
}
