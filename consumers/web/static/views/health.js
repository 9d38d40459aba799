// The health of the pipeline: problems first, in words that say what to do, then every part.

import { DeadLetterPanel } from "../components/dead_letters.js";
import { element, setText } from "../components/dom.js";
import {
  databasePanel,
  providerPanel,
  queuePanel,
  syncPanel,
  targetPanel,
  versionPanel,
} from "../components/health_panels.js";
import { failure, notice } from "../components/notice.js";
import { problemList } from "../components/problem_list.js";
import { Slot } from "../components/slot.js";
import { formatDuration } from "../format.js";

const AGE_EVERY = 1000; // milliseconds
/** A health that is older than this is told to be old. Milliseconds. */
const OLD = 30_000;

/** @typedef {import("../health.js").Health} Health */

export function title() {
  return "Health";
}

/**
 * @param {HTMLElement} root
 * @param {import("../app.js").App} app
 * @returns {() => void}
 */
export function show(root, app) {
  const view = new HealthView(root, app);
  return () => view.close();
}

class HealthView {
  /**
   * @param {HTMLElement} root
   * @param {import("../app.js").App} app
   */
  constructor(root, app) {
    this.app = app;
    this.age = element("p", { class: "quiet-text" });
    this.trouble = new Slot();
    this.problems = new Slot("slot wide");
    this.syncs = new Slot();
    this.providers = new Slot("slot wide");
    this.queues = new Slot();
    this.databases = new Slot("slot wide");
    this.targets = new Slot("slot wide");
    this.versions = new Slot("slot wide");
    this.deadLetters = new DeadLetterPanel(() => app.health.refresh());
    this.loading = notice("loading", "Reading the health of the pipeline…");
    this.parts = element(
      "div",
      { class: "health-parts", hidden: true },
      this.problems.element,
      this.syncs.element,
      this.queues.element,
      this.deadLetters.element,
      this.providers.element,
      this.targets.element,
      this.databases.element,
      this.versions.element,
    );
    root.append(
      element(
        "div",
        { class: "view-header" },
        element("div", {}, element("h1", {}, "Health"), this.age),
        element("button", { type: "button", click: () => app.health.refresh() }, "Check now"),
      ),
      this.trouble.element,
      this.loading,
      this.parts,
    );
    this.timer = setInterval(() => this.#writeTimes(), AGE_EVERY);
    this.stopListening = app.health.listen((health, error) => this.#write(health, error));
    app.health.refresh();
  }

  close() {
    clearInterval(this.timer);
    this.stopListening();
    this.deadLetters.close();
  }

  /**
   * @param {Health | null} health
   * @param {Error | null} error
   */
  #write(health, error) {
    this.loading.hidden = Boolean(health || error);
    this.trouble.fill(error ? [error.message, Boolean(health)] : null, () => {
      const what = health
        ? "The health cannot be read now; below is what was known last"
        : "The health could not be read";
      return failure(what, error, () => this.app.health.refresh());
    });
    if (!health) return;
    this.parts.hidden = false;
    const { problems, queues, providers, databases, targets, versions, broker } = health;
    const { last_sync, next_sync, schedule, market, worker, beat } = health;
    this.problems.fill(problems, () => problemList(problems));
    this.syncs.fill([last_sync, next_sync, schedule, market, worker, beat], () => syncPanel(health));
    this.providers.fill(providers, () => providerPanel(providers));
    this.queues.fill([queues, broker], () => queuePanel(health, (queue) => this.deadLetters.open(queue)));
    this.targets.fill(targets, () => targetPanel(targets));
    this.databases.fill(databases, () => databasePanel(databases));
    this.versions.fill(versions, () => versionPanel(versions));
    this.deadLetters.take(queues);
    this.#writeTimes();
  }

  #writeTimes() {
    const { health } = this.app.health;
    if (!health) return;
    const age = Date.now() - Date.parse(health.checked_at);
    setText(this.age, age < OLD ? "Checked just now" : `Checked ${formatDuration(age / 1000)} ago`);
    for (const part of this.parts.querySelectorAll("[data-until]")) {
      const left = Date.parse(/** @type {HTMLElement} */ (part).dataset.until ?? "") - Date.now();
      setText(part, left >= 1000 ? `in ${formatDuration(left / 1000)}` : "now");
    }
  }
}
