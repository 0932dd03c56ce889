// The side panels: channels, who the viewer is, and what is behind the scenes.

import { $, act, hint, here, locale, make, state, store, stored } from "./dom.js";
import { unread } from "./messages.js";

const SIGNS = { 0: "#", 1: "@", 2: "🔊", 3: "👥", 11: "🧵" };

/** Fill a list, only if what it offers has changed. */
export function fill(select, options, value) {
  const key = JSON.stringify(options);
  if (select.dataset.key !== key) select.replaceChildren(...options.map(([one, words]) => make("option", { value: one, textContent: words })));
  select.dataset.key = key;
  if (value !== undefined) select.value = value;
}

export function showChannels(open) {
  const servers = new Map();
  let mentions = 0;
  for (const channel of state.parts.channels) {
    const [count, pings] = unread(channel.id);
    mentions += pings;
    const current = channel.id === state.channel;
    const name = `${channel.name}${pings ? `, ${pings} mention${pings === 1 ? "" : "s"}` : count && !current ? ", unread" : ""}`;
    const button = make("button", { type: "button", className: count && !current ? "unread" : "", "aria-label": name, "aria-current": current ? "page" : null, onclick: () => open(channel.id) },
      make("span", { className: "sign", textContent: SIGNS[channel.type] ?? "#", "aria-hidden": "true" }),
      make("span", { className: "channel-name", textContent: channel.name }),
      pings ? make("span", { className: "mentions", textContent: String(pings), "aria-hidden": "true" }) : null);
    if (!servers.has(channel.server)) servers.set(channel.server, []);
    servers.get(channel.server).push(make("li", {}, button));
  }
  const focused = $("channels").contains(document.activeElement);
  const lists = [...servers].map(([name, items]) => make("section", {}, make("h2", { textContent: name }), make("ul", { "aria-label": name }, ...items)));
  $("channels").replaceChildren(...lists);
  if (focused) $("channels").querySelector("[aria-current]")?.focus();
  const channel = here();
  $("where").textContent = channel.name;
  $("where-sign").textContent = SIGNS[channel.type] ?? "#";
  $("box").placeholder = `Message ${channel.direct ? "@" : "#"}${channel.name}, or type / for commands`;
  document.title = `${mentions ? `(${mentions}) ` : ""}${channel.name} – sandbox`;
}

export function showViewer(parts) {
  if (parts.roles) {
    const focus = document.activeElement?.dataset?.role;
    $("roles").replaceChildren(...parts.roles.map((role) => {
      const input = make("input", { type: "checkbox", checked: role.has, "data-role": role.id });
      input.onchange = () => act("role", { role: role.id, has: input.checked });
      const dot = make("span", { className: "dot", "aria-hidden": "true" });
      dot.style.background = `#${role.color.toString(16).padStart(6, "0")}`;
      return make("label", { className: "check" }, input, dot, role.name);
    }));
    if (focus) $("roles").querySelector(`[data-role="${focus}"]`)?.focus();
  }
  if (parts.installed !== undefined && parts.installed !== null) $("installed").checked = parts.installed;
  if (parts.locales) {
    const [offered, server] = parts.locales;
    const names = new Intl.DisplayNames(["en"], { type: "language" });
    const pairs = offered.map((one) => [one, names.of(one)]);
    const mine = offered.includes(stored.locale) ? stored.locale : "en-US";
    fill($("locale"), pairs, mine);
    fill($("server-locale"), pairs, server);
    for (const id of ["locale", "server-locale"]) $(id).disabled = pairs.length < 2;
    $("languages").hidden = pairs.length > 1;
  }
}

const WORDS = { starting: "starting", online: "online", stopping: "stopping", stopped: "stopped" };

export function showBot(bot) {
  const words = WORDS[bot.status];
  const detail = bot.pid ? ` (process ${bot.pid})` : bot.exit === null ? "" : ` (exit status ${bot.exit})`;
  $("status").textContent = words;
  $("bot-status").textContent = words + detail + (bot.problem ? `: ${bot.problem}` : "");
  $("lamp").className = bot.status;
  for (const button of document.querySelectorAll("[data-when]")) button.disabled = !button.dataset.when.split(" ").includes(bot.status);
  for (const one of document.querySelectorAll("[data-own]")) one.hidden = !bot.own;
  $("app-name").textContent = `${bot.name}’s sandbox`;
}

export function showFaults(faults) {
  for (const id of ["api", "discord"]) fill($(id), faults[id][0].map((name) => [name, name]), faults[id][1]);
  $("ahead").textContent = faults.ahead ? `Discord’s clock is ${Math.round(faults.ahead / 360) / 10} h ahead.` : "";
}

export function showLedger(ledger) {
  const name = (id) => ledger.names[id] ?? id;
  const cells = (kind, values) => make("tr", {}, ...values.map((value) => make(kind, { textContent: value ?? "", title: value ?? "", scope: kind === "th" ? "col" : undefined })));
  const table = (id, titles, rows) => $(id).replaceChildren(make("thead", {}, cells("th", titles)), make("tbody", {}, ...rows.map((row) => cells("td", row))));
  const total = {};
  for (const click of ledger.clicks) (total[name(click.user_id)] ??= []).push(click.label + (click.outcome === "accepted" ? "" : ` (${click.outcome})`));
  table("clicks", ["user", "clicks", "newest first"], Object.entries(total).map(([user, all]) => [user, all.length, all.join(", ")]));
  table("generations", ["kind", "user", "state", "prompt"], ledger.generations.map((g) => [g.kind, name(g.user_id), g.state + (g.error ? ` (${g.error})` : ""), g.prompt]));
}

export function showLog(lines) {
  const log = $("log");
  const bottom = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.textContent = lines.join("\n");
  if (bottom) log.scrollTop = log.scrollHeight;
}

// ---- drawers: beside the messages where there is room, above them where there is not

const wide = matchMedia("(min-width: 1150px)");

export function drawer(id, open) {
  $(id).classList.toggle("open", open);
  document.querySelector(`[aria-controls="${id}"]`).setAttribute("aria-expanded", String(open));
  const over = ["places", "panel"].some((one) => $(one).classList.contains("open") && getComputedStyle($(one)).position === "fixed");
  $("shade").hidden = !over;
}

function closeOver() {
  for (const id of ["places", "panel"]) {
    if (!$(id).classList.contains("open") || getComputedStyle($(id)).position !== "fixed") continue;
    drawer(id, false);
    document.querySelector(`[aria-controls="${id}"]`).focus();
  }
}

export function preparePanels() {
  for (const button of document.querySelectorAll("[data-do]")) {
    button.onclick = () => {
      if (!button.disabled) act(button.dataset.do, JSON.parse(button.dataset.body));
    };
  }
  for (const id of ["api", "discord"]) $(id).onchange = () => act(id, { fault: $(id).value });
  $("server-locale").onchange = () => act("server", { language: $("server-locale").value });
  $("installed").onchange = () => act("install", { on: $("installed").checked });
  for (const [button, id] of [["open-places", "places"], ["open-panel", "panel"]]) {
    $(button).onclick = () => drawer(id, !$(id).classList.contains("open"));
  }
  $("shade").onclick = closeOver;
  addEventListener("keydown", (event) => event.key === "Escape" && !document.querySelector("dialog[open], :popover-open") && closeOver());
  const arrange = () => drawer("panel", wide.matches);
  wide.onchange = arrange;
  arrange();
}
