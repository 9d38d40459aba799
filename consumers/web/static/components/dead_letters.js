// Dead letters: the messages that a consumer rejected, with their reasons. They are sent back or dropped with the token.

import { read, send, withQuery } from "../api.js";
import { askToConfirm } from "./dialog.js";
import { element, setText } from "./dom.js";
import { moment } from "./moment.js";
import { failure, notice } from "./notice.js";
import { panel } from "./tables.js";
import { toast } from "./toast.js";
import { foreign, oneLine, severalLines } from "../foreign_text.js";
import { countOf, groupDigits } from "../format.js";

const MOST = 50; // letters that are shown
const LOOK_AGAIN_AFTER = 1500; // milliseconds

/** @typedef {Record<string, any>} Letter - A dead letter of `/v1/dead/{queue}`. */

/** The panel below the queues. It is hidden until a queue is opened. */
export class DeadLetterPanel {
  /** @param {() => void} changed - Called after letters were sent back or dropped. */
  constructor(changed) {
    this.changed = changed;
    this.queue = "";
    this.dead = 0;
    this.timer = 0;
    this.ending = new AbortController();
    this.summary = element("p", { class: "quiet-text", role: "status" });
    this.list = element("div", {});
    this.buttons = element(
      "div",
      { class: "toolbar" },
      element("button", { type: "button", click: () => this.#requeue() }, "Send back to the consumer"),
      element("button", { type: "button", class: "danger", click: () => this.#drop() }, "Drop"),
      element("button", { type: "button", class: "quiet", click: () => this.#hide() }, "Close"),
    );
    const body = element("div", { class: "panel-body dead-letters" }, this.summary, this.list);
    this.element = panel("dead-letters", "Dead letters", [body], this.buttons);
    this.element.hidden = true;
    this.element.tabIndex = -1;
  }

  close() {
    this.ending.abort();
    clearTimeout(this.timer);
  }

  /**
   * Show the dead letters of a queue.
   *
   * @param {string} queue
   */
  async open(queue) {
    this.queue = queue;
    this.element.hidden = false;
    this.list.replaceChildren(notice("loading", "Reading the dead letters…"));
    setText(this.summary, "");
    this.element.focus({ preventScroll: true });
    this.element.scrollIntoView({ block: "nearest" });
    await this.#load();
  }

  /**
   * Take the queues of the health: the open one is read again if its number has changed.
   *
   * @param {{queue: string, dead: number | null}[]} queues
   */
  take(queues) {
    const found = queues.find(({ queue }) => queue === this.queue);
    if (this.element.hidden || !found || found.dead === null || found.dead === this.dead) return;
    this.#load();
  }

  async #load() {
    const { queue } = this;
    try {
      const path = withQuery(`/v1/dead/${encodeURIComponent(queue)}`, { limit: MOST });
      const { dead, letters } = await read(path, { signal: this.ending.signal });
      if (queue !== this.queue) return;
      this.dead = dead;
      const shown = letters.length < dead ? ` The oldest ${letters.length} are shown.` : "";
      setText(this.summary, dead ? `${countOf(dead, "message")} that ${oneLine(queue)} rejected.${shown}` : "");
      this.list.replaceChildren(
        letters.length ? element("ol", { class: "letters" }, ...letters.map(letterItem)) : notice(
          "empty",
          "No dead letters",
          `${oneLine(queue)} has rejected nothing, or everything was sent back or dropped.`,
        ),
      );
    } catch (error) {
      if (this.ending.signal.aborted || queue !== this.queue) return;
      this.list.replaceChildren(failure("The dead letters could not be read", error, () => this.#load()));
    }
  }

  async #requeue() {
    const isSure = await askToConfirm({
      title: "Send the dead letters back?",
      words: `The consumer of ${oneLine(this.queue)} handles them again. Those that are still invalid come back here.`,
      confirm: "Send back",
    });
    if (!isSure) return;
    await this.#change("requeue", ({ sent, left }) => {
      const kept = left ? ` ${countOf(left, "message")} stayed: the body was over 64 KiB and was not kept.` : "";
      return `${countOf(sent, "dead letter")} went back to ${oneLine(this.queue)}.${kept}`;
    });
  }

  async #drop() {
    const isSure = await askToConfirm({
      title: `Drop ${countOf(this.dead, "dead letter")}?`,
      words: `The messages that ${oneLine(this.queue)} rejected are deleted for good.`,
      confirm: "Drop",
      danger: true,
    });
    if (isSure) await this.#change("drop", ({ dropped }) => `${countOf(dropped, "dead letter")} dropped.`);
  }

  /**
   * @param {"requeue" | "drop"} action
   * @param {(answer: Record<string, any>) => string} words
   */
  async #change(action, words) {
    try {
      toast(words(await send("POST", `/v1/dead/${encodeURIComponent(this.queue)}/${action}`)));
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "failed");
    }
    await this.#load();
    this.changed();
    // Letters that are still invalid come back at once.
    this.timer = setTimeout(() => this.changed(), LOOK_AGAIN_AFTER);
  }

  #hide() {
    this.queue = "";
    this.element.hidden = true;
  }
}

/** @param {Letter} letter */
function letterItem(letter) {
  const facts = { ...letter.properties, ...letter.headers };
  return element(
    "li",
    { class: "letter" },
    element("p", { class: "letter-reason" }, foreign(letter.reason)),
    element(
      "p",
      { class: "quiet-text" },
      moment(letter.died_at, "at an unknown time"),
      " · ",
      foreign(letter.routing_key, "mono"),
      letter.message_id ? " · " : null,
      letter.message_id ? foreign(letter.message_id, "mono") : null,
    ),
    element(
      "details",
      {},
      element("summary", {}, "Message"),
      element(
        "dl",
        { class: "facts" },
        ...Object.entries(facts).flatMap(([name, value]) => [
          element("dt", {}, foreign(name)),
          element("dd", {}, foreign(value, "mono")),
        ]),
      ),
      bodyOf(letter),
    ),
  );
}

/** @param {Letter} letter */
function bodyOf({ body, body_size: size, is_cut: isCut }) {
  if (body === null) {
    return element("p", { class: "quiet-text" }, `The body of ${groupDigits(size)} bytes was not kept.`);
  }
  if (!size) return element("p", { class: "quiet-text" }, "The body is empty.");
  return element(
    "div",
    {},
    element("pre", { class: "letter-body", tabindex: 0, "aria-label": "Body of the message" }, severalLines(body)),
    isCut ? element("p", { class: "quiet-text" }, `The body goes on: it has ${groupDigits(size)} bytes.`) : null,
  );
}
