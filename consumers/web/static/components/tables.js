// Tables that become cards on a narrow screen: every cell then shows the name of its column.

import { element } from "./dom.js";

/** @typedef {{name: string, label: string, isNumber?: boolean, isHidden?: boolean}} Column */

/**
 * Return a table with these columns, and its body. Roles are written out, because a table that is laid out as cards
 * would lose them.
 *
 * @param {string} caption - Read by screen readers.
 * @param {Column[]} columns
 * @param {string} [className]
 */
export function makeTable(caption, columns, className = "") {
  const body = element("tbody", { role: "rowgroup" });
  const headers = columns.map(({ name, label, isNumber, isHidden }) =>
    element(
      "th",
      { role: "columnheader", scope: "col", class: `${name}${isNumber ? " number" : ""}` },
      isHidden ? element("span", { class: "spoken" }, label) : label,
    )
  );
  const table = element(
    "table",
    { class: `cards ${className}`.trim(), role: "table" },
    element("caption", { class: "spoken" }, caption),
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...headers)),
    body,
  );
  return { table, body };
}

/**
 * Return a row with a cell per column, of which the first is the row's header.
 *
 * @param {Column[]} columns
 * @param {(import("./dom.js").Child | import("./dom.js").Child[])[]} contents
 * @returns {HTMLTableRowElement}
 */
export function makeRow(columns, contents) {
  const cells = columns.map((column, place) => {
    const content = contents[place];
    const attributes = {
      class: `${column.name}${column.isNumber ? " number" : ""}`,
      "data-label": column.isHidden ? null : column.label,
    };
    const children = Array.isArray(content) ? content : [content];
    return place === 0
      ? element("th", { ...attributes, scope: "row", role: "rowheader" }, ...children)
      : element("td", { ...attributes, role: "cell" }, ...children);
  });
  return element("tr", { role: "row" }, ...cells);
}

/**
 * Return a section with a heading, and content in a panel.
 *
 * @param {string} id - The id of the heading.
 * @param {string} title
 * @param {import("./dom.js").Child[]} content
 * @param {import("./dom.js").Child} [actions] - Beside the heading.
 */
export function panel(id, title, content, actions = null) {
  return element(
    "section",
    { class: "panel", "aria-labelledby": id },
    element("header", { class: "panel-header" }, element("h2", { id }, title), actions),
    ...content,
  );
}
