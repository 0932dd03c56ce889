// What opens on a right click or from "…": the menu of a message or a member, with its Apps.

import { act, arrows, hint, isHere, make, openBeside, state, viewer } from "./dom.js";

function entry(words, act, className = "") {
  return make("button", { type: "button", role: "menuitem", tabIndex: -1, className, textContent: words, onclick: act });
}

function open(name, anchor, point, entries) {
  const menu = make("div", { className: "menu", popover: "auto", role: "menu", "aria-label": name }, ...entries);
  const items = [...menu.querySelectorAll("[role=menuitem]")];
  menu.addEventListener("click", (event) => event.target.closest("[role=menuitem]") && menu.hidePopover());
  menu.onkeydown = (event) => (event.key === "Tab" ? menu.hidePopover() : arrows(event, items));
  openBeside(menu, anchor, point);
  items[0]?.focus({ preventScroll: true });
}

function apps(kind, target) {
  const found = (state.parts.menus ?? []).filter((one) => one.type === kind && isHere(one));
  if (!found.length) return [];
  const entries = found.map((one) => entry(one.label, () => act("menu", { name: one.name, target })));
  return [make("div", { role: "group", "aria-label": "Apps" }, make("p", { className: "menu-title", textContent: "Apps", "aria-hidden": "true" }), ...entries)];
}

const copy = (words) => async () => {
  await navigator.clipboard?.writeText(words).catch(() => {});
  hint("Copied.");
};

export function messageMenu(message, anchor, point) {
  const link = `${location.origin}/#m${message.id}`;
  open("Message", anchor, point, [
    ...apps(3, message.id),
    make("hr", { role: "separator" }),
    entry("Copy message link", copy(link)),
    entry("Copy message ID", copy(message.id)),
    ...(message.deletable ? [entry("Delete message", () => act("delete", { message: message.id }), "danger")] : []),
  ].filter((one, at, all) => one.tagName !== "HR" || at > 0));
}

export function userMenu(id, anchor, point) {
  const person = state.parts.members?.find((one) => one.id === id);
  if (!person) return;
  open(person.name, anchor, point, [
    make("p", { className: "menu-title", textContent: person.name, "aria-hidden": "true" }),
    ...apps(2, id),
    entry(id === viewer() ? "Copy your ID" : "Copy user ID", copy(id)),
  ]);
}
