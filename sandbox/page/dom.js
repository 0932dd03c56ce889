// Elements, what is known, and requests to the sandbox: what every other part of the page uses.

export const $ = (id) => document.getElementById(id);

/** Make an element: properties by name, attributes where the name has a dash or is `role`. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.includes("-") || name === "role" || name === "popover") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button that shows a sign alone. */
export function iconButton(sign, name, onclick, className = "icon") {
  return make("button", { type: "button", className, "aria-label": name, title: name, onclick }, make("span", { textContent: sign, "aria-hidden": "true" }));
}

/** `parts` is what the server streamed last, by key; `channel` the id of the one that is open. */
export const state = { parts: {}, channel: null };
export const stored = { user: "alice", locale: "en-US", theme: "dark", ...JSON.parse(localStorage.getItem("sandbox") ?? "{}") };
export const store = () => localStorage.setItem("sandbox", JSON.stringify(stored));

export const viewer = () => $("user").value || stored.user;
export const locale = () => $("locale").value || "en-US";
export const botName = () => state.parts.bot?.name ?? "The bot";
export const here = () => state.parts.channels?.find((one) => one.id === state.channel);
export const isHere = (thing) => thing.places.includes(state.channel);

export function hint(words) {
  $("hint").textContent = words;
}

/** Ask the sandbox to do something; `files` by name. Returns why it was refused, or "". */
export async function act(action, body, files = {}) {
  const form = new FormData();
  form.set("body", JSON.stringify({ user: viewer(), locale: locale(), channel: state.channel, ...body }));
  for (const [name, file] of Object.entries(files)) form.set(name, file, file.name);
  let words = "The sandbox doesn’t answer.";
  try {
    const answer = await fetch(`do/${action}`, { method: "POST", body: form });
    words = answer.ok ? "" : ((await answer.json().catch(() => ({}))).error ?? "That was refused.");
  } catch {
    // The words above say it.
  }
  hint(words);
  return words;
}

/** Show a popover beside an element: below it, or above where there is no room. */
export function openBeside(popover, anchor, point) {
  const host = anchor.closest("dialog, nav, main, aside") ?? document.querySelector("main");
  host.append(popover);
  popover.showPopover();
  const from = point ? { left: point.x, right: point.x, top: point.y, bottom: point.y } : anchor.getBoundingClientRect();
  const size = popover.getBoundingClientRect();
  const below = from.bottom + 4 + size.height <= innerHeight;
  const left = point || from.left + size.width <= innerWidth - 8 ? from.left : from.right - size.width;
  popover.style.left = `${Math.max(8, Math.min(left, innerWidth - size.width - 8))}px`;
  popover.style.top = `${Math.max(8, below ? from.bottom + 4 : from.top - size.height - 4)}px`;
  popover.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    const inside = popover.contains(document.activeElement) || document.activeElement === document.body;
    popover.remove();
    if (inside && anchor.isConnected) anchor.focus({ preventScroll: true });
  });
}

/** Let arrows, Home and End move the focus among items. */
export function arrows(event, items) {
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to === undefined || !items.length) return;
  event.preventDefault();
  items[(to + items.length) % items.length].focus();
}

/** HTML that the server made of Markdown; it holds no markup of the text's own. */
export function markdown(html, tag = "div") {
  const element = make(tag, { className: "text", innerHTML: html });
  for (const spoiler of element.querySelectorAll(".spoiler")) {
    const open = () => {
      spoiler.classList.add("open");
      spoiler.removeAttribute("role");
      spoiler.removeAttribute("aria-label");
    };
    spoiler.onclick = open;
    spoiler.onkeydown = (event) => ["Enter", " "].includes(event.key) && open();
  }
  clock(element);
  return element;
}

export function avatar(person, className = "") {
  const sign = person.bot ? "✦" : person.name.slice(0, 1);
  return make("span", { className: `avatar ${className} hue${BigInt(person.id) % 5n}${person.bot ? " bot" : ""}`, "aria-hidden": "true", textContent: sign });
}

const FORMS = {
  t: { timeStyle: "short" }, T: { timeStyle: "medium" }, d: { dateStyle: "short" }, D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" }, F: { dateStyle: "full", timeStyle: "short" },
  s: { dateStyle: "short", timeStyle: "short" }, S: { dateStyle: "short", timeStyle: "medium" },
};
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** Write the times that count by themselves. */
export function clock(root) {
  for (const time of root.querySelectorAll("time[data-unix]")) {
    const date = new Date(time.dataset.unix * 1000);
    if (Number.isNaN(date.getTime())) continue;
    const seconds = Math.round((date - Date.now()) / 1000);
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
    time.title = date.toLocaleString(locale(), FORMS.F);
    const relative = new Intl.RelativeTimeFormat(locale(), { numeric: "auto" });
    const words = time.dataset.style === "R" ? relative.format(Math.trunc(seconds / size), unit) : date.toLocaleString(locale(), FORMS[time.dataset.style]);
    if (time.textContent !== words) time.textContent = words;
  }
}
