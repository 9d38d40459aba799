// The page: it starts the live connection, shows its state in the header, and shows the view that the address names.

import { sentence } from "./foreign_text.js";
import { countOf, formatDuration } from "./format.js";
import { failure } from "./components/notice.js";
import { setText } from "./components/dom.js";
import { toast } from "./components/toast.js";
import { HealthMonitor } from "./health.js";
import { LiveEvents } from "./live.js";
import { AlertNotifications } from "./notifications.js";
import { QuoteStore } from "./store.js";
import * as alertsView from "./views/alerts.js";
import * as healthView from "./views/health.js";
import * as symbolView from "./views/symbol.js";
import * as watchListView from "./views/watch_list.js";

/**
 * What a view works with.
 *
 * @typedef {object} App
 * @property {LiveEvents} live - Live events, and the state of the connection.
 * @property {QuoteStore} store - The newest price of each symbol, kept up to date.
 * @property {HealthMonitor} health - The health of the pipeline, kept up to date.
 * @property {AlertNotifications} notifications - Notifications of the browser about alerts.
 */

/**
 * A view is a module with these two. `show` fills the element, and returns a function that ends what it has begun.
 * The argument is the rest of the address: `#/symbol/AAPL` shows the symbol view with `AAPL`.
 *
 * @typedef {object} View
 * @property {(argument: string) => string} title
 * @property {(root: HTMLElement, app: App, argument: string) => (() => void)} show
 */

/** @type {Record<string, View>} - The first part of the address, and the view for it. All are loaded at the start, so that
 * they can be shown while the server is away. */
const VIEWS = { "": watchListView, alerts: alertsView, health: healthView, symbol: symbolView };

const live = new LiveEvents("/v1/events");
/** @type {App} */
const app = { live, store: new QuoteStore(), health: new HealthMonitor(), notifications: new AlertNotifications(live) };
let close = () => {};

function start() {
  app.live.events.add((kind, event) => {
    if (kind === "price") app.store.takeEvent(event);
  });
  app.live.connections.add(showConnection);
  app.live.caughtUp.add(tellMissed);
  app.store.changes.add(labelSimulated);
  app.health.listen(showBrokenPart);
  addEventListener("hashchange", () => showView(true));
  connectionButton().addEventListener("click", () => app.live.tryNow());
  app.live.start();
  app.health.start();
  showView(false);
}

/**
 * Show the view that the address names.
 *
 * @param {boolean} moveFocus - True after a click on a link, so that a screen reader begins with the new content.
 */
function showView(moveFocus) {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const main = mainElement();
  markLink(name);
  close();
  close = () => {};
  try {
    const view = Object.hasOwn(VIEWS, name) ? VIEWS[name] : watchListView;
    const argument = decodeURIComponent(rest.join("/"));
    document.title = `${view.title(argument)} – Stockwire`;
    main.replaceChildren();
    close = view.show(main, app, argument);
  } catch (error) {
    main.replaceChildren(failure("This view could not be shown", error, () => showView(false)));
  }
  if (moveFocus) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

/** @param {string} name */
function markLink(name) {
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.getAttribute("data-view") === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** @param {import("./live.js").Connection} connection */
function showConnection(connection) {
  const box = /** @type {HTMLElement} */ (document.getElementById("connection"));
  box.dataset.state = connection.state;
  setText(/** @type {Node} */ (box.querySelector(".connection-words")), connectionWords(connection));
  connectionButton().hidden = connection.state === "live" || connection.state === "connecting";
}

/**
 * Return the state in words. They change seldom, because screen readers read each change.
 *
 * @param {import("./live.js").Connection} connection
 */
function connectionWords({ state, since }) {
  if (state === "live") return "Live";
  if (state === "connecting") return "Connecting…";
  const at = new Date(since).toLocaleTimeString();
  return state === "offline" ? `Offline since ${at}` : `Reconnecting since ${at}`;
}

/** @param {import("./live.js").Missed} missed */
function tellMissed({ from, until, prices, alerts }) {
  const away = formatDuration((until - from) / 1000);
  const found = [countOf(prices, "price"), countOf(alerts, "alert")].join(" and ");
  toast(`Connected again after ${away}. What came meanwhile is shown now: ${found}.`);
  app.health.refresh();
}

/**
 * Tell the worst fault of the pipeline on every view.
 *
 * @param {import("./health.js").Health | null} health
 */
function showBrokenPart(health) {
  const line = /** @type {HTMLElement} */ (document.getElementById("broken-part"));
  const fault = (health?.problems ?? []).find((/** @type {any} */ each) => each.severity === "fault");
  line.hidden = !fault;
  setText(line, fault ? sentence(fault.text) : "");
}

/**
 * Say large that prices are simulated, as long as any is.
 *
 * @param {import("./store.js").Quote} quote
 * @param {import("./store.js").Quote | undefined} before
 */
function labelSimulated(quote, before) {
  if (before?.provider === quote.provider) return;
  const label = /** @type {HTMLElement} */ (document.getElementById("simulated"));
  label.hidden = !app.store.hasSimulated;
  setText(label, app.store.isAllSimulated ? "Simulated prices" : "Some prices are simulated");
}

function mainElement() {
  return /** @type {HTMLElement} */ (document.getElementById("main"));
}

function connectionButton() {
  return /** @type {HTMLButtonElement} */ (document.querySelector("#connection button"));
}

start();
