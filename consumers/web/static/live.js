// The one live connection of the page: `GET /v1/events`, read with fetch, because an EventSource cannot send a token.
//
// The page is told every state of the connection. After a break it asks for everything that it missed (Last-Event-ID),
// and tells how much that was.

import { Problem, request } from "./api.js";
import { Listeners } from "./listeners.js";
import { EventStreamParser } from "./sse.js";

/** @typedef {"connecting" | "live" | "reconnecting" | "offline"} ConnectionState */
/** @typedef {{state: ConnectionState, since: number}} Connection */
/** @typedef {{from: number, until: number, prices: number, alerts: number}} Missed */
/** @typedef {Record<string, any>} CloudEvent - The envelope of an event, as docs/events.md describes it. */

// Milliseconds.
const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
/** The server sends a comment every 15 s, so a connection that is silent for longer is dead. */
const SILENCE = 40_000;
/** What was missed comes at once; after this much quiet all of it is here. */
const CAUGHT_UP_AFTER = 1000;

/** The live connection. Listen to what it tells, then call `start`. */
export class LiveEvents {
  /** @param {string} path */
  constructor(path) {
    this.path = path;
    /** @type {Connection} */
    this.connection = { state: "connecting", since: Date.now() };
    /** @type {Listeners<[connection: Connection]>} */
    this.connections = new Listeners();
    /** @type {Listeners<[kind: string, event: CloudEvent]>} - The kinds are `price` and `alert`. */
    this.events = new Listeners();
    /** @type {Listeners<[missed: Missed]>} - Called after a break, when everything that was missed has arrived. */
    this.caughtUp = new Listeners();
    this.lastId = "";
    /** @type {number | null} - When the connection was lost; null while nothing was missed. */
    this.lostAt = null;
    /** @type {Missed | null} */
    this.missed = null;
    this.failures = 0;
    /** @type {AbortController | null} */
    this.attempt = null;
    /** @type {(() => void) | null} - Ends the wait for the next try. */
    this.wake = null;
  }

  start() {
    addEventListener("online", () => this.tryNow());
    addEventListener("offline", () => this.attempt?.abort());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && this.connection.state !== "live") this.tryNow();
    });
    this.#keepConnected();
  }

  /** Connect now instead of after the wait. */
  tryNow() {
    this.wake?.();
  }

  async #keepConnected() {
    for (;;) {
      await this.#connectOnce();
      this.lostAt ??= Date.now();
      this.missed = null;
      const wait = this.#nextWait();
      const state = navigator.onLine ? "reconnecting" : "offline";
      this.#tell({ state, since: this.lostAt });
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, wait);
        this.wake = () => {
          clearTimeout(timer);
          resolve(undefined);
        };
      });
      this.wake = null;
    }
  }

  /** Return the wait before the next try: it doubles, and is spread so that many pages do not come at once. */
  #nextWait() {
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.failures);
    this.failures += 1;
    return longest * (0.5 + Math.random() / 2);
  }

  /** Read events until the connection ends. */
  async #connectOnce() {
    this.attempt = new AbortController();
    const { signal } = this.attempt;
    try {
      const headers = { Accept: "text/event-stream", ...(this.lastId && { "Last-Event-ID": this.lastId }) };
      const response = await request(this.path, { headers, signal, cache: "no-store" });
      if (response.body) await this.#readAll(response.body, this.attempt);
    } catch (error) {
      // The server does not know the id any more: begin with what is new.
      if (error instanceof Problem && error.status === 422) this.lastId = "";
    } finally {
      this.attempt.abort();
    }
  }

  #connected() {
    this.failures = 0;
    if (this.lostAt !== null) {
      this.missed = { from: this.lostAt, until: Date.now(), prices: 0, alerts: 0 };
      this.#awaitQuiet();
    }
    this.lostAt = null;
    this.#tell({ state: "live", since: Date.now() });
  }

  /**
   * @param {ReadableStream<Uint8Array>} body
   * @param {AbortController} attempt
   */
  async #readAll(body, attempt) {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventStreamParser();
    let silent = 0;
    const watch = () => {
      clearTimeout(silent);
      silent = setTimeout(() => attempt.abort(), SILENCE);
    };
    try {
      for (;;) {
        watch();
        const { done, value } = await reader.read();
        if (done) return;
        // The server says first from where on it tells events: from then on, nothing is missed.
        if (this.connection.state !== "live") this.#connected();
        for (const each of parser.feed(decoder.decode(value, { stream: true }))) this.#take(each);
        this.lastId = parser.lastId || this.lastId;
      }
    } finally {
      clearTimeout(silent);
    }
  }

  /** @param {import("./sse.js").ServerSentEvent} received */
  #take({ event: kind, data }) {
    const event = JSON.parse(data);
    if (this.missed) {
      if (kind === "price") this.missed.prices += 1;
      else if (kind === "alert") this.missed.alerts += 1;
      if (Date.parse(event.time) >= this.missed.until) this.#endCatchingUp();
    }
    this.events.call(kind, event);
  }

  #awaitQuiet() {
    const check = (/** @type {number} */ seen) => {
      if (!this.missed) return;
      const count = this.missed.prices + this.missed.alerts;
      if (count === seen) this.#endCatchingUp();
      else setTimeout(check, CAUGHT_UP_AFTER, count);
    };
    setTimeout(check, CAUGHT_UP_AFTER, 0);
  }

  #endCatchingUp() {
    if (!this.missed) return;
    const missed = this.missed;
    this.missed = null;
    this.caughtUp.call(missed);
  }

  /** @param {Connection} connection */
  #tell(connection) {
    this.connection = connection;
    this.connections.call(connection);
  }
}
