// Functions that want to hear of something.

/**
 * A list of functions that are called together.
 *
 * @template {any[]} Arguments
 */
export class Listeners {
  constructor() {
    /** @type {Set<(...values: Arguments) => void>} */
    this.functions = new Set();
  }

  /**
   * Call the function from now on. Returns the function that ends this.
   *
   * @param {(...values: Arguments) => void} listener
   * @returns {() => void}
   */
  add(listener) {
    this.functions.add(listener);
    return () => {
      this.functions.delete(listener);
    };
  }

  /** @param {Arguments} values */
  call(...values) {
    for (const each of this.functions) each(...values);
  }
}
