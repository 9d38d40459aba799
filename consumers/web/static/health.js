// The health of the pipeline, asked for again and again while the page is seen.

import { read } from "./api.js";
import { Listeners } from "./listeners.js";

const INTERVAL = 10_000; // milliseconds

/** @typedef {Record<string, any>} Health - The document of `/v1/health`. */

/** Reads `/v1/health` every 10 s, and at once if asked to. */
export class HealthMonitor {
  constructor() {
    /** @type {Health | null} - The last one that was read, null before the first. */
    this.health = null;
    /** @type {Error | null} - Why the last one could not be read. */
    this.error = null;
    /** @type {Listeners<[health: Health | null, error: Error | null]>} */
    this.readings = new Listeners();
    this.timer = 0;
    /** @type {Promise<void> | null} */
    this.reading = null;
  }

  start() {
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.refresh();
    });
    this.refresh();
  }

  /**
   * Call the function now if a health is known, and after every reading. Returns the function that ends this.
   *
   * @param {(health: Health | null, error: Error | null) => void} listener
   * @returns {() => void}
   */
  listen(listener) {
    if (this.health || this.error) listener(this.health, this.error);
    return this.readings.add(listener);
  }

  /** Read the health now. */
  refresh() {
    this.reading ??= this.#read().finally(() => {
      this.reading = null;
      clearTimeout(this.timer);
      if (document.visibilityState === "visible") this.timer = setTimeout(() => this.refresh(), INTERVAL);
    });
    return this.reading;
  }

  async #read() {
    try {
      this.health = await read("/v1/health");
      this.error = null;
    } catch (error) {
      this.error = /** @type {Error} */ (error);
    }
    this.readings.call(this.health, this.error);
  }
}
