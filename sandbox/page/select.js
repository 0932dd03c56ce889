// Select menus of every kind, in messages and modals: a button that opens a list.

import { $, arrows, make, openBeside, state } from "./dom.js";

const [STRING, USER, ROLE, MENTIONABLE, CHANNEL] = [3, 5, 6, 7, 8];
const HINTS = { [STRING]: "Make a selection", [USER]: "Select a member", [ROLE]: "Select a role", [MENTIONABLE]: "Select a member or role", [CHANNEL]: "Select a channel" };

/** What a menu offers: `{value, label, description, sign}`. */
function offered(menu) {
  const { members, roles, channels } = state.parts;
  const users = members.map((one) => ({ value: one.id, label: one.name, sign: "@" }));
  const all = roles.map((one) => ({ value: one.id, label: one.name, sign: "@", description: "Role" }));
  const server = channels.find((one) => one.id === state.channel)?.server;
  switch (menu.type) {
    case STRING:
      return menu.options.map((one) => ({ value: one.value, label: one.label, description: one.description, sign: one.emoji?.name }));
    case USER:
      return users;
    case ROLE:
      return all;
    case MENTIONABLE:
      return [...users, ...all];
    default:
      return channels
        .filter((one) => !one.direct && one.server === server && (!menu.channel_types?.length || menu.channel_types.includes(one.type)))
        .map((one) => ({ value: one.id, label: one.name, sign: "#" }));
  }
}

function chosenFirst(menu) {
  if (menu.type === STRING) return menu.options.filter((one) => one.default).map((one) => one.value);
  return (menu.default_values ?? []).map((one) => one.id);
}

/**
 * A menu. `use(values)` is called when somebody has chosen. `name` is its accessible name.
 * The element's `values` are those chosen now.
 */
export function selectMenu(menu, name, use) {
  const words = menu.placeholder || HINTS[menu.type] || "Make a selection";
  const shown = make("span", { className: "chosen" });
  const button = make("button", { type: "button", className: "select", disabled: menu.disabled, "aria-haspopup": "listbox", "aria-expanded": "false" }, shown, make("span", { className: "caret", textContent: "⌄", "aria-hidden": "true" }));
  button.dataset.id = menu.custom_id;
  const show = () => {
    const labels = offered(menu).filter((one) => button.values.includes(one.value)).map((one) => one.label);
    shown.textContent = labels.join(", ") || words;
    shown.classList.toggle("empty", labels.length === 0);
    button.setAttribute("aria-label", `${name || words}: ${labels.join(", ") || "nothing chosen"}`);
  };
  button.values = chosenFirst(menu);
  show();
  button.onclick = () =>
    openList(button, menu, name || words, (values) => {
      button.values = values;
      show();
      use(values);
    });
  return button;
}

function openList(button, menu, name, done) {
  const least = menu.min_values ?? 1;
  const most = menu.max_values ?? 1;
  const before = [...button.values];
  let values = [...before];
  const items = offered(menu).map((one) =>
    make("div", { role: "option", tabIndex: -1, "data-value": one.value },
      one.sign ? make("span", { className: "sign", textContent: one.sign, "aria-hidden": "true" }) : null,
      make("span", {}, make("span", { textContent: one.label }), one.description ? make("small", { textContent: one.description }) : null),
      make("span", { className: "tick", "aria-hidden": "true" })));
  const mark = () => {
    for (const item of items) item.setAttribute("aria-selected", String(values.includes(item.dataset.value)));
  };
  const list = make("div", { role: "listbox", "aria-label": name, "aria-multiselectable": most > 1 ? "true" : null }, ...items);
  const search = menu.type === STRING ? null : make("input", { type: "search", "aria-label": "Search", placeholder: "Search" });
  const popover = make("div", { className: "list", popover: "auto" }, search, list);
  const shown = () => items.filter((item) => !item.hidden);
  const pick = (item) => {
    const value = item.dataset.value;
    if (most === 1) {
      values = values.includes(value) && least === 0 ? [] : [value];
      popover.hidePopover();
      return;
    }
    if (values.includes(value)) values = values.filter((one) => one !== value);
    else if (values.length < most) values.push(value);
    mark();
  };
  list.onclick = (event) => {
    const item = event.target.closest("[role=option]");
    if (item) pick(item);
  };
  popover.onkeydown = (event) => {
    if (["Enter", " "].includes(event.key) && document.activeElement.role === "option") {
      event.preventDefault();
      if (most > 1 && event.key === "Enter") popover.hidePopover();
      else pick(document.activeElement);
    } else arrows(event, shown());
  };
  if (search) {
    search.oninput = () => {
      const word = search.value.toLowerCase();
      for (const item of items) item.hidden = !item.textContent.toLowerCase().includes(word);
    };
  }
  popover.addEventListener("toggle", (event) => {
    button.setAttribute("aria-expanded", String(event.newState === "open"));
    if (event.newState !== "closed") return;
    const same = most > 1 && values.length === before.length && values.every((one) => before.includes(one));
    const picked = most > 1 || values.some((one) => !before.includes(one)) || values.length !== before.length;
    if (!same && picked && values.length >= least) done(values);
  });
  mark();
  openBeside(popover, button);
  popover.style.minWidth = `${button.getBoundingClientRect().width}px`;
  (search ?? items.find((item) => values.includes(item.dataset.value)) ?? items[0])?.focus();
}
