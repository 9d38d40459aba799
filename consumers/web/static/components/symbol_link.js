// The link to the view of a symbol.

import { element } from "./dom.js";
import { symbolPath } from "../api.js";
import { foreign } from "../foreign_text.js";

/** @param {string} symbol */
export function symbolLink(symbol) {
  return element("a", { href: `#/symbol/${symbolPath(symbol)}` }, foreign(symbol));
}
