// The messages of the open channel: in order, grouped, with dates, and where a reader is in them.

import { $, act, avatar, botName, clock, here, iconButton, isHere, locale, make, markdown, state, viewer } from "./dom.js";
import { attachments, embed, part } from "./components.js";
import { messageMenu, userMenu } from "./menus.js";

const GROUP = 7 * 60; // seconds within which messages of one author stand together
const NEAR = 8; // pixels from the end that count as the end

const isMessage = (key) => /^m\d/.test(key);
const articles = () => [...$("messages").querySelectorAll(":scope > article")];
const mine = (message) => message.author.id === viewer() || message.used?.user.id === viewer();

// ---- what has been read, by viewer and channel

const read = new Map();
const place = (channel) => `${viewer()}:${channel}`;
const newest = (channel) => Object.entries(state.parts).filter(([key, m]) => isMessage(key) && m?.channel === channel).reduce((last, [, m]) => (BigInt(m.id) > last ? BigInt(m.id) : last), 0n);

/** Return how many messages of a channel are unread, and how many of them mention the viewer. */
export function unread(channel) {
  const seen = read.get(place(channel));
  if (seen === undefined) return [0, 0];
  const found = Object.entries(state.parts).filter(([key, m]) => isMessage(key) && m?.channel === channel && BigInt(m.id) > seen && !mine(m)).map(([, m]) => m);
  return [found.length, found.filter((m) => m.pinged).length];
}

/** Note what a viewer finds: what was there before is not new. */
function beginReading() {
  for (const channel of state.parts.channels ?? []) if (!read.has(place(channel.id))) read.set(place(channel.id), newest(channel.id));
}

function markRead() {
  if (!following || document.hidden) return;
  const last = newest(state.channel);
  if (last > (read.get(place(state.channel)) ?? 0n)) read.set(place(state.channel), last);
}

// ---- where the reader is

let following = true;
let lastTop = 0;
let missed = [];
let onread = () => {};

const box = () => $("scroller");
const atEnd = () => box().scrollHeight - box().scrollTop - box().clientHeight < NEAR;

export function toEnd() {
  following = true;
  missed = [];
  box().scrollTop = box().scrollHeight;
  showMissed();
}

/** Change the messages without moving what a reader sees, unless they are at the end. */
function steadily(change) {
  if (following) {
    change();
    toEnd();
    return;
  }
  const top = box().getBoundingClientRect().top;
  const seen = articles().map((one) => [one.id, one.getBoundingClientRect()]).filter(([, at]) => at.bottom > top).map(([id, at]) => [id, at.top]);
  change();
  const kept = seen.find(([id]) => $(id));
  if (kept) box().scrollTop += $(kept[0]).getBoundingClientRect().top - kept[1];
  lastTop = box().scrollTop;
}

function showMissed() {
  const count = missed.length;
  $("newbar").hidden = count === 0;
  if (!count) return;
  const since = new Date(state.parts[missed[0]]?.time * 1000);
  const at = Number.isNaN(since.getTime()) ? "" : ` since ${since.toLocaleTimeString(locale(), { timeStyle: "short" })}`;
  $("newbar-words").textContent = `${count} new message${count === 1 ? "" : "s"}${at}`;
}

export function prepareMessages(whenRead) {
  onread = whenRead;
  box().onscroll = () => {
    const top = box().scrollTop;
    if (atEnd()) {
      following = true;
      missed = [];
      showMissed();
      markRead();
      onread();
    } else if (top < lastTop) following = false;
    lastTop = top;
  };
  new ResizeObserver(() => following && (box().scrollTop = box().scrollHeight)).observe($("messages"));
  new ResizeObserver(() => following && (box().scrollTop = box().scrollHeight)).observe(box());
  $("newbar").onclick = () => {
    toEnd();
    markRead();
    onread();
  };
  $("messages").onkeydown = walk;
  $("messages").addEventListener("focusin", (event) => enter(event.target.closest("article")));
  $("messages").oncontextmenu = (event) => {
    const article = event.target.closest("article");
    const message = article && state.parts[article.id];
    if (!message || message.pending || getSelection().toString()) return;
    event.preventDefault();
    const keyboard = event.clientX === 0 && event.clientY === 0;
    const point = keyboard ? null : { x: event.clientX, y: event.clientY };
    const person = event.target.closest("[data-person]");
    const open = () => (person ? userMenu(person.dataset.person, event.target, point) : messageMenu(message, article, point));
    // A popover that opens while the button is down closes when it comes up.
    if (event.buttons) addEventListener("pointerup", () => setTimeout(open), { once: true });
    else open();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#m"]');
    if (!link) return;
    event.preventDefault();
    jump(link.getAttribute("href").slice(1));
  });
  document.addEventListener("visibilitychange", () => {
    markRead();
    onread();
  });
  setInterval(() => clock($("messages")), 1000);
}

let openChannel = () => {};
export const whenJumping = (open) => (openChannel = open);

/** Show a message, in whatever channel it is. */
function jump(key) {
  const message = state.parts[key];
  if (!message) return;
  if (message.channel !== state.channel) openChannel(message.channel);
  const article = $(key);
  following = false;
  article.scrollIntoView({ block: "center" });
  lastTop = box().scrollTop;
  following = atEnd();
  article.classList.remove("jumped");
  requestAnimationFrame(() => article.classList.add("jumped"));
  article.focus({ preventScroll: true });
}

// ---- the keyboard: one tab stop for all messages, arrow keys between them

function enter(article) {
  if (!article) return;
  for (const other of $("messages").querySelectorAll("article.current")) if (other !== article) reachable(other, false);
  reachable(article, true);
}

function reachable(article, yes) {
  article.classList.toggle("current", yes);
  article.tabIndex = yes ? 0 : -1;
  for (const one of article.querySelectorAll("button, a, summary, input, .spoiler")) one.tabIndex = yes ? 0 : -1;
}

function walk(event) {
  const article = event.target.closest("article");
  if (!article || event.target.closest("input, [popover]")) return;
  const all = articles();
  const at = all.indexOf(article);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  if (to >= all.length) $("box").focus();
  else all[Math.max(to, 0)].focus();
}

// ---- putting messages in their places

/** Take in what changed. `first`: it is all that the viewer sees. */
export function take(parts, first) {
  const keys = Object.keys(parts).filter(isMessage);
  if (!keys.length) {
    if (first) beginReading();
    return;
  }
  const added = [];
  steadily(() => {
    for (const key of keys) if (put(key, parts[key])) added.push(key);
    tidy();
  });
  if (first) return beginReading();
  const others = added.filter((key) => !mine(parts[key]) || parts[key].pinged);
  if (!following) missed.push(...others);
  missed = missed.filter((key) => state.parts[key]);
  showMissed();
  markRead();
  if (others.length) announce(parts[others.at(-1)]);
}

function announce(message) {
  $("announce").textContent = `New message from ${message.author.name}`;
}

/** Put a message where it belongs, or take it away; tell whether it is a new one. */
function put(key, message) {
  const old = $(key);
  if (!message || message.channel !== state.channel) {
    if (old?.contains(document.activeElement)) $("box").focus({ preventScroll: true });
    old?.remove();
    return false;
  }
  const element = draw(message);
  if (old) {
    keep(old, element);
    const inside = old.contains(document.activeElement);
    const active = inside ? document.activeElement.dataset.id : undefined;
    if (old.classList.contains("current")) reachable(element, true);
    old.replaceWith(element);
    const again = active && element.querySelector(`[data-id="${CSS.escape(active)}"]:not(:disabled)`);
    if (inside) (again || element).focus({ preventScroll: true });
    return false;
  }
  const after = articles().find((one) => BigInt(one.id.slice(1)) > BigInt(message.id));
  $("messages").insertBefore(element, after ?? null);
  return true;
}

/** Keep pictures that are loaded already, and spoilers that are open. */
function keep(old, element) {
  const path = (image) => image.src.split("?")[0];
  const loaded = [...old.querySelectorAll("img")];
  for (const image of element.querySelectorAll("img")) {
    const at = loaded.findIndex((one) => path(one) === path(image));
    if (at >= 0) image.replaceWith(...loaded.splice(at, 1));
  }
  const covers = old.querySelectorAll(".veil");
  element.querySelectorAll(".veil").forEach((veil, at) => covers[at]?.classList.contains("open") && veil.querySelector(".cover")?.click());
}

/** Group messages of one author, and put dates and the line of what is new between them. */
function tidy() {
  for (const line of $("messages").querySelectorAll(":scope > .divider")) line.remove();
  const seen = read.get(place(state.channel)) ?? 0n;
  let before = null;
  let isNew = false;
  for (const article of articles()) {
    const message = state.parts[article.id];
    const day = new Date(message.time * 1000).toDateString();
    const sameDay = before && new Date(before.time * 1000).toDateString() === day;
    const fresh = !isNew && openedAt !== null && BigInt(message.id) > openedAt && !mine(message);
    const joined = sameDay && before.author.id === message.author.id && message.time - before.time < GROUP && !message.used && !message.reply && before.ephemeral === message.ephemeral;
    article.classList.toggle("grouped", Boolean(joined && !fresh));
    if (!sameDay) article.before(divider(new Date(message.time * 1000).toLocaleDateString(locale(), { dateStyle: "long" })));
    if (fresh) {
      isNew = true;
      article.before(make("div", { className: "divider new", role: "separator", "aria-label": "New messages" }, make("span", { textContent: "New" })));
    }
    before = message;
  }
  const all = articles();
  if (all.length && !$("messages").contains(document.activeElement)) enter(all.at(-1));
}

const divider = (words) => make("div", { className: "divider", role: "separator", "aria-label": words }, make("span", { textContent: words }));

let openedAt = null;

/** Show the open channel from its end, with a line above what is new in it. */
export function redraw() {
  const [count] = unread(state.channel);
  openedAt = count ? read.get(place(state.channel)) : null;
  $("messages").replaceChildren();
  missed = [];
  following = true;
  for (const [key, message] of Object.entries(state.parts)) if (isMessage(key)) put(key, message);
  tidy();
  toEnd();
  markRead();
}

// ---- one message

function draw(message) {
  const date = new Date(message.time * 1000);
  const short = date.toLocaleTimeString(locale(), { timeStyle: "short" });
  const { author } = message;
  const body = make("div", { className: "body" });
  const article = make(
    "article",
    {
      id: `m${message.id}`,
      tabIndex: -1,
      "aria-label": `${author.name}, ${short}${message.ephemeral ? ", only you can see this" : ""}`,
      className: [message.pinged && "pinged", message.ephemeral && "private"].filter(Boolean).join(" "),
    },
    reference(message),
    make("span", { className: "gutter", "data-person": author.id }, avatar(author), make("time", { dateTime: date.toISOString(), textContent: short, "aria-hidden": "true" })),
    make("header", {},
      make("strong", { textContent: author.name, "data-person": author.id }),
      author.bot ? make("span", { className: "badge", textContent: "APP" }) : null,
      make("time", { dateTime: date.toISOString(), title: date.toLocaleString(locale(), { dateStyle: "full", timeStyle: "short" }), textContent: stamped(date) })),
    body,
  );
  if (message.pending === "failed") body.append(make("p", { className: "failed", role: "status", textContent: "The application did not respond" }));
  else if (message.pending) body.append(thinking("Sending command…"));
  else if (message.loading) body.append(thinking(`${author.name} is thinking…`));
  else {
    body.append(...content(message, message));
    if (message.forward) body.append(forwarded(message));
  }
  if (message.edited && !message.components.length) body.append(make("small", { textContent: "(edited)" }));
  if (message.notice?.state === "failed") body.append(make("p", { className: "failed", role: "status", textContent: "This interaction failed" }));
  if (message.ephemeral) {
    const dismiss = make("button", { type: "button", className: "link", textContent: "Dismiss message" });
    dismiss.dataset.id = "dismiss";
    dismiss.onclick = () => act("dismiss", { message: message.id });
    body.append(make("p", { className: "only-you" }, make("span", { textContent: "👁 ", "aria-hidden": "true" }), "Only you can see this • ", dismiss));
  }
  if (!message.pending) article.append(toolbar(message));
  reachable(article, false);
  return article;
}

function stamped(date) {
  const today = new Date().toDateString() === date.toDateString();
  return date.toLocaleString(locale(), today ? { timeStyle: "short" } : { dateStyle: "short", timeStyle: "short" });
}

function content(found, message) {
  return [
    found.html ? markdown(found.html) : null,
    ...attachments(found.attachments),
    ...found.embeds.map(embed),
    ...found.components.map((component) => part(component, message)),
  ].filter(Boolean);
}

function forwarded(message) {
  const source = message.forward;
  const id = message.forward.id;
  return make("div", { className: "forward" }, make("p", { className: "faint" }, make("em", { textContent: "↱ Forwarded" })), ...content(source, { ...message, id }), make("small", { textContent: source.where ? `# ${source.where}` : "" }));
}

/** What appears on a message under the pointer or the focus. */
function toolbar(message) {
  const apps = (state.parts.menus ?? []).filter((one) => one.type === 3 && isHere(one));
  const more = iconButton("⋯", "More", () => messageMenu(message, more), "icon more");
  more.dataset.id = "more";
  more.setAttribute("aria-haspopup", "menu");
  const shortcut = apps.length ? iconButton("⌘", "Apps", () => messageMenu(message, shortcut), "icon") : null;
  shortcut?.setAttribute("aria-haspopup", "menu");
  if (shortcut) shortcut.dataset.id = "apps";
  return make("div", { className: "toolbar" }, shortcut, more);
}

function reference(message) {
  if (message.used) {
    const { user, name } = message.used;
    return make("p", { className: "reference" }, avatar(user, "tiny"), make("strong", { textContent: user.name, "data-person": user.id }), make("span", { textContent: "used" }), make("span", { className: "command-name", textContent: name }));
  }
  if (!message.reply) return null;
  const { reply } = message;
  if (!reply.id) return make("p", { className: "reference" }, make("em", { textContent: "Original message was deleted" }));
  const link = make("a", { href: `#m${reply.id}` }, markdown(reply.html || "<em>Select to see the attachment</em>", "span"));
  for (const inner of link.querySelectorAll("[tabindex], a")) inner.replaceWith(...inner.childNodes);
  const picture = reply.picture ? make("span", { textContent: "🖼", "aria-hidden": "true" }) : null;
  return make("p", { className: "reference" }, avatar(reply.author, "tiny"), make("strong", { textContent: reply.author.name }), link, picture);
}

function thinking(words) {
  return make("p", { className: "thinking", role: "status" }, make("span", { className: "dots", "aria-hidden": "true" }, make("i"), make("i"), make("i")), words);
}

/** What stands above the first message of a channel. */
export function welcome() {
  const channel = here();
  if (!channel) return;
  const words = $("welcome-words");
  if (channel.bot) {
    $("welcome-title").textContent = botName();
    words.textContent = `This is the beginning of your direct messages with ${botName()}. What you ask for here, nobody else sees.`;
  } else if (channel.direct) {
    $("welcome-title").textContent = channel.name;
    words.textContent = `Direct messages between people. ${botName()} is no member here: its commands are shown to those who installed it for themselves.`;
  } else if (!(state.parts.commands ?? []).some(isHere) && channel.server !== state.parts.channels[0].server) {
    $("welcome-title").textContent = `Welcome to #${channel.name}!`;
    words.textContent = `${botName()} is not on this server. Install it for yourself (on the left, under your name) and its commands appear here too.`;
  } else {
    $("welcome-title").textContent = `Welcome to #${channel.name}!`;
    words.textContent = state.parts.bot?.own
      ? "This is the real bot in a Discord of its own: the page, its messages and the pictures never leave this machine. Type / below, or drop a picture anywhere."
      : "This is your bot in a Discord of its own: the page and its messages never leave this machine. Type / below for its commands.";
  }
}
