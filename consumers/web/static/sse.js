// The text of server-sent events, as https://html.spec.whatwg.org/multipage/server-sent-events.html defines it.

/** @typedef {{id: string, event: string, data: string}} ServerSentEvent */

/** Parser of a stream of server-sent events, which may be cut into parts anywhere. */
export class EventStreamParser {
  constructor() {
    this.rest = "";
    /** The id of the last event, also of one without data. A reader that connects again begins after it. */
    this.lastId = "";
    this.id = "";
    this.event = "";
    /** @type {string[]} */
    this.data = [];
  }

  /**
   * Return the events that this part of the stream completes.
   *
   * @param {string} part
   * @returns {ServerSentEvent[]}
   */
  feed(part) {
    // A line break at the end of the part may be the first half of "\r\n".
    const text = this.rest + part;
    const end = text.endsWith("\r") ? text.length - 1 : text.length;
    const lines = text.slice(0, end).split(/\r\n|\n|\r/);
    this.rest = (lines.pop() ?? "") + text.slice(end);
    const found = [];
    for (const line of lines) {
      if (line === "") {
        this.lastId = this.id;
        if (this.data.length) found.push({ id: this.id, event: this.event || "message", data: this.data.join("\n") });
        this.event = "";
        this.data = [];
      } else {
        this.#field(line);
      }
    }
    return found;
  }

  /** @param {string} line */
  #field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment, which keeps the connection alive
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") this.data.push(value);
    else if (name === "event") this.event = value;
    else if (name === "id" && !value.includes("\0")) this.id = value;
  }
}
