// Modal dialogs on the browser's own <dialog>, which keeps the focus inside and closes with Escape.

import { element } from "./dom.js";

/**
 * Ask for a text, and return it, or null if the dialog is closed.
 *
 * @param {{title: string, words: string, label: string, confirm: string, type?: string}} question
 * @returns {Promise<string | null>}
 */
export function askForText({ title, words, label, confirm, type = "text" }) {
  const input = element("input", { type, autocomplete: "off", required: true, spellcheck: "false" });
  const content = [element("p", {}, words), element("label", { class: "field" }, element("span", {}, label), input)];
  return open(title, content, confirm, () => input.value.trim());
}

/**
 * Ask whether to go on, and return the answer.
 *
 * @param {{title: string, words: string, confirm: string, danger?: boolean}} question
 * @returns {Promise<boolean>}
 */
export async function askToConfirm({ title, words, confirm, danger = false }) {
  return (await open(title, [element("p", {}, words)], confirm, () => true, danger)) !== null;
}

/**
 * @template Answer
 * @param {string} title
 * @param {HTMLElement[]} content
 * @param {string} confirm - The words of the button that answers.
 * @param {() => Answer} read - Returns the answer.
 * @param {boolean} [danger]
 * @returns {Promise<Answer | null>}
 */
function open(title, content, confirm, read, danger = false) {
  return new Promise((resolve) => {
    /** @type {Answer | null} */
    let answer = null;
    const heading = element("h2", { id: "dialog-title" }, title);
    const answering = element("button", { type: "submit", class: danger ? "danger" : "primary" }, confirm);
    const form = element(
      "form",
      {
        method: "dialog",
        submit: () => {
          answer = read();
        },
      },
      heading,
      ...content,
      element(
        "div",
        { class: "buttons" },
        element("button", { type: "button", click: () => dialog.close() }, "Cancel"),
        answering,
      ),
    );
    const dialog = element("dialog", { "aria-labelledby": "dialog-title" }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
