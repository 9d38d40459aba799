// The button that turns notifications of the browser on and off.

import { element, setAttribute, setText } from "./dom.js";

const WORDS = {
  on: {
    label: "Notifications are on",
    title: "This browser tells you about alerts while the page is open. Click to turn it off.",
  },
  off: { label: "Notify me here", title: "Let this browser tell you about alerts while the page is open." },
  blocked: {
    label: "Notifications are blocked",
    title: "The browser blocks them: allow notifications for this site in its settings.",
  },
  missing: { label: "No notifications", title: "This browser has none, or only over https and on this machine." },
};

/**
 * Return the button, and the function that ends its listening.
 *
 * @param {import("../notifications.js").AlertNotifications} notifications
 */
export function notificationSwitch(notifications) {
  const button = element("button", {
    type: "button",
    class: "notification-switch",
    click: () => notifications.toggle(),
  });
  const write = () => {
    const { label, title } = WORDS[notifications.state];
    setText(button, label);
    setAttribute(button, "title", title);
    setAttribute(button, "aria-pressed", String(notifications.state === "on"));
    button.disabled = notifications.state === "blocked" || notifications.state === "missing";
  };
  write();
  return { button, stop: notifications.changes.add(write) };
}
