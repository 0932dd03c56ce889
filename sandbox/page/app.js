// The page of the sandbox: shows what the server streams, and sends back what a member does.

const $ = (id) => document.getElementById(id);

/** Make an element: properties by name, attributes where the name has a dash or is `role`. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const state = { parts: {}, channel: null, stream: null };
const stored = { user: "alice", locale: "en-US", theme: "", ...JSON.parse(localStorage.getItem("sandbox") ?? "{}") };
const viewer = () => $("user").value || stored.user;

// ---- actions

async function act(action, body, files = {}) {
  const form = new FormData();
  form.set("body", JSON.stringify({ user: viewer(), locale: $("locale").value, ...body }));
  for (const [name, file] of Object.entries(files)) form.set(name, file, file.name);
  try {
    const answer = await fetch(`do/${action}`, { method: "POST", body: form });
    hint(answer.ok ? "" : (await answer.json().catch(() => ({}))).error ?? "That was refused.");
    return answer.ok;
  } catch {
    hint("The sandbox doesn’t answer.");
    return false;
  }
}

function hint(words) {
  $("hint").textContent = words;
}

// ---- the stream

function connect() {
  state.stream?.close();
  state.parts = {};
  $("messages").replaceChildren();
  const query = new URLSearchParams({ user: viewer(), locale: $("locale").value });
  state.stream = new EventSource(`events?${query}`);
  state.stream.onopen = () => {
    $("offline").hidden = true;
    state.fresh = true;
  };
  state.stream.onerror = () => {
    $("offline").hidden = false;
    $("status").textContent = "unreachable";
  };
  state.stream.onmessage = (event) => {
    const parts = JSON.parse(event.data);
    if (state.fresh) {
      for (const key of Object.keys(state.parts)) if (!(key in parts)) parts[key] = null;
      state.fresh = false;
    }
    Object.assign(state.parts, parts);
    show(parts);
  };
}

function show(parts) {
  if (parts.people) fill($("user"), parts.people.map((p) => [p.id, p.name]), known(parts.people));
  if (parts.channels) showChannels();
  if (parts.bot) showBot(parts.bot);
  if (parts.faults) showFaults(parts.faults);
  if (parts.ledger) showLedger(parts.ledger);
  if (parts.log) showLog(parts.log);
  if (parts.commands && !$("suggestions").hidden) suggest();
  let posted = false;
  for (const [key, message] of Object.entries(parts)) {
    if (!/^m\d/.test(key)) continue;
    posted = place(key, message) || posted;
  }
  if (posted) follow(true);
}

/** Stay at the newest message, unless somebody scrolled up. */
let following = true;
function follow(now) {
  following ||= now;
  if (following) $("scroller").scrollTop = $("scroller").scrollHeight;
}
$("scroller").onscroll = () => (following = atBottom());
new ResizeObserver(() => follow(false)).observe($("messages"));

const known = (people) =>
  people.find((p) => p.id === $("user").value || p.id === stored.user || p.name.toLowerCase() === stored.user)?.id;

function fill(select, options, value) {
  const made = options.map(([key, words]) => make("option", { value: key, textContent: words }));
  if (select.childElementCount !== made.length) select.replaceChildren(...made);
  select.value = value;
}

function atBottom() {
  const box = $("scroller");
  return box.scrollHeight - box.scrollTop - box.clientHeight < 80;
}

// ---- messages

/** Put a message where it belongs, or take it away; tell whether it is a new one. */
function place(key, message) {
  const old = $(key);
  if (!message || message.channel !== state.channel) {
    if (old?.contains(document.activeElement)) $("box").focus();
    old?.remove();
    return false;
  }
  const element = draw(message);
  if (old) {
    keep(old, element);
    const active = old.contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
    old.replaceWith(element);
    if (active) (element.querySelector(`[data-id="${CSS.escape(active)}"]:not(:disabled)`) ?? $("box")).focus();
    return false;
  }
  const after = [...$("messages").children].find((one) => BigInt(one.id.slice(1)) > BigInt(message.id));
  $("messages").insertBefore(element, after ?? null);
  return true;
}

/** Keep pictures that are loaded already, and spoilers that are open. */
function keep(old, element) {
  const path = (image) => image.src.split("?")[0];
  for (const image of element.querySelectorAll("img")) {
    const same = [...old.querySelectorAll("img")].find((one) => path(one) === path(image));
    if (same) image.replaceWith(same);
  }
}

function redraw() {
  $("messages").replaceChildren();
  for (const [key, message] of Object.entries(state.parts)) if (/^m\d/.test(key)) place(key, message);
  follow(true);
}

function draw(message) {
  const time = make("time", { dateTime: new Date(message.time * 1000).toISOString() });
  time.textContent = new Date(message.time * 1000).toLocaleTimeString($("locale").value, { timeStyle: "short" });
  const body = make("div", { className: "body" });
  const article = make(
    "article",
    { id: `m${message.id}`, "aria-label": "Vary", className: [message.pinged && "pinged", message.ephemeral && "private"].filter(Boolean).join(" ") },
    reference(message),
    make("span", { className: "avatar bot", "aria-hidden": "true" }),
    make("header", {}, make("strong", { textContent: "Vary" }), make("span", { className: "badge", textContent: "APP" }), time),
    body,
  );
  if (message.pending === "failed") body.append(make("p", { className: "failed", textContent: "The application did not respond" }));
  else if (message.pending) body.append(thinking("Sending command…"));
  else if (message.loading) body.append(thinking("Vary is thinking…"));
  else {
    if (message.html) body.append(markdown(message.html));
    for (const file of message.attachments) body.append(attached(file));
    for (const embed of message.embeds) body.append(unknown("Embed", embed));
    for (const component of message.components) body.append(part(component, message));
  }
  if (message.edited && !message.components.length) body.append(make("small", { textContent: "(edited)" }));
  if (message.notice === "failed") body.append(make("p", { className: "failed", role: "status", textContent: "This interaction failed" }));
  if (message.notice === "sending") body.append(thinking("Waiting for an answer…"));
  if (message.ephemeral) {
    const dismiss = make("button", { type: "button", className: "link", textContent: "Dismiss message" });
    dismiss.dataset.id = "dismiss";
    dismiss.onclick = () => act("dismiss", { message: message.id });
    body.append(make("p", { className: "faint" }, "👁 Only you can see this • ", dismiss));
  }
  clock(article);
  return article;
}

function reference(message) {
  if (message.used) {
    const command = make("span", { className: "pill", textContent: `/${message.used.name}` });
    return make("p", { className: "reference" }, make("strong", { textContent: message.used.user }), " used ", command);
  }
  if (!message.reply) return null;
  const link = make("a", { href: `#m${message.reply.id}`, innerHTML: message.reply.html });
  for (const inner of link.querySelectorAll("[tabindex]")) inner.removeAttribute("tabindex");
  return make("p", { className: "reference" }, make("strong", { textContent: "Vary" }), " ", message.reply.id ? link : link.textContent);
}

function thinking(words) {
  return make("p", { className: "thinking" }, make("span", { className: "dots", "aria-hidden": "true" }, "•••"), " ", words);
}

/** HTML that the server made of markdown; it holds no markup of the message's own. */
function markdown(html) {
  const element = make("div", { className: "text", innerHTML: html });
  for (const spoiler of element.querySelectorAll(".spoiler")) {
    spoiler.onclick = () => spoiler.classList.add("open");
    spoiler.onkeydown = (event) => ["Enter", " "].includes(event.key) && spoiler.classList.add("open");
  }
  return element;
}

function image(media, words, className) {
  const name = words || "Picture";
  const picture = make("img", { src: media.url, alt: name, loading: "eager" });
  if (media.width) [picture.width, picture.height] = [media.width, media.height];
  const button = make("button", { type: "button", className: `${className} picture`, "aria-label": `Open: ${name}` }, picture);
  button.dataset.id = `${className} ${media.url.split("?")[0]}`;
  button.onclick = () => {
    const large = $("viewer").querySelector("img");
    [large.src, large.alt] = [picture.src, name];
    $("viewer").showModal();
  };
  return button;
}

function attached(file) {
  if (file.content_type?.startsWith("image/")) return image(file, file.description ?? file.filename, "gallery");
  return make("a", { href: file.url, textContent: `📄 ${file.filename}`, target: "_blank", rel: "noopener noreferrer" });
}

function part(component, message) {
  const inner = (list) => (list ?? []).map((one) => part(one, message));
  switch (component.type) {
    case 1:
      return make("div", { className: "buttons" }, ...inner(component.components));
    case 2:
      return pressable(component, message);
    case 9:
      return make("div", { className: "section" }, make("div", {}, ...inner(component.components)), part(component.accessory, message));
    case 10:
      return markdown(component.html);
    case 11:
      return image(component.media, component.description ?? "The picture that it was made from", "thumbnail");
    case 12:
      return make("div", { className: "galleries" }, ...component.items.map((item) => image(item.media, item.description, "gallery")));
    case 13:
      return attached({ ...component.file, filename: component.name ?? component.file.url.split("?")[0].split("/").pop() });
    case 14:
      return make("hr", { className: component.divider === false ? "blank" : "" });
    case 17: {
      const box = make("div", { className: "container" }, ...inner(component.components));
      if (component.accent_color) box.style.borderInlineStartColor = `#${component.accent_color.toString(16).padStart(6, "0")}`;
      return box;
    }
    default:
      return unknown(`Component of type ${component.type}`, component);
  }
}

function unknown(title, content) {
  const text = make("pre", { textContent: JSON.stringify(content, null, 1), tabIndex: 0 });
  return make("details", { className: "unknown" }, make("summary", { textContent: `${title}: not drawn by the sandbox` }), text);
}

const STYLES = ["", "primary", "", "success", "danger", "", "primary"];

function pressable(button, message) {
  const emoji = button.emoji ? make("span", { textContent: button.emoji.name, "aria-hidden": button.label ? "true" : null }) : null;
  if (button.style === 5) {
    return make("a", { className: "button", href: button.url, target: "_blank", rel: "noopener noreferrer" }, emoji, button.label ?? "", " ↗");
  }
  const element = make("button", { type: "button", className: STYLES[button.style] ?? "", disabled: button.disabled }, emoji, button.label ?? "");
  element.dataset.id = button.custom_id;
  element.onclick = () => act("press", { message: message.id, custom_id: button.custom_id });
  return element;
}

// ---- times that count by themselves

const FORMS = {
  t: { timeStyle: "short" }, T: { timeStyle: "medium" }, d: { dateStyle: "short" }, D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" }, F: { dateStyle: "full", timeStyle: "short" },
};
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function clock(root) {
  const locale = $("locale").value;
  for (const time of root.querySelectorAll("time[data-unix]")) {
    const date = new Date(time.dataset.unix * 1000);
    if (Number.isNaN(date.getTime())) continue;
    const seconds = Math.round((date - Date.now()) / 1000);
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
    time.title = date.toLocaleString(locale, FORMS.F);
    const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
    const words = time.dataset.style === "R" ? relative.format(Math.trunc(seconds / size), unit) : date.toLocaleString(locale, FORMS[time.dataset.style]);
    if (time.textContent !== words) time.textContent = words;
  }
}
setInterval(() => clock($("messages")), 1000);

// ---- the side panels

function showChannels() {
  const channels = state.parts.channels;
  if (!channels.some((one) => one.id === state.channel)) state.channel = channels[0].id;
  const items = channels.map((one) => {
    const button = make("button", { type: "button", textContent: (one.direct ? "@ " : "# ") + one.name, "aria-current": one.id === state.channel ? "page" : null });
    button.onclick = () => {
      state.channel = one.id;
      leave();
      showChannels();
      redraw();
      drawer("places", false);
    };
    return make("li", {}, button);
  });
  $("channels").replaceChildren(...items);
  const here = channels.find((one) => one.id === state.channel);
  $("where").textContent = (here.direct ? "@ " : "# ") + here.name;
}

function showBot(bot) {
  for (const id of ["status", "bot-status"]) $(id).textContent = bot.status;
  $("lamp").className = bot.status;
  if (bot.problem) $("bot-status").textContent = `${bot.status}: ${bot.problem}`;
}

function showFaults(faults) {
  for (const id of ["api", "discord"]) fill($(id), faults[id][0].map((name) => [name, name]), faults[id][1]);
  $("ahead").textContent = faults.ahead ? `Discord’s clock is ${Math.round(faults.ahead / 360) / 10} h ahead.` : "";
}

function showLedger(ledger) {
  const name = (id) => ledger.names[id] ?? id;
  const cells = (kind, values) => make("tr", {}, ...values.map((value) => make(kind, { textContent: value ?? "", title: value ?? "" })));
  const table = (id, titles, rows) => $(id).replaceChildren(make("thead", {}, cells("th", titles)), make("tbody", {}, ...rows.map((row) => cells("td", row))));
  const total = {};
  for (const click of ledger.clicks) (total[name(click.user_id)] ??= []).push(click.label + (click.outcome === "accepted" ? "" : ` (${click.outcome})`));
  table("clicks", ["user", "clicks", "newest first"], Object.entries(total).map(([user, all]) => [user, all.length, all.join(", ")]));
  table("generations", ["kind", "user", "state", "prompt"], ledger.generations.map((g) => [g.kind, name(g.user_id), g.state + (g.error ? ` (${g.error})` : ""), g.prompt]));
}

function showLog(lines) {
  const log = $("log");
  const bottom = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.textContent = lines.join("\n");
  if (bottom) log.scrollTop = log.scrollHeight;
}

function drawer(id, open) {
  $(id).classList.toggle("open", open);
  const control = document.querySelector(`[aria-controls="${id}"]`);
  control.setAttribute("aria-expanded", String(open));
}

const wide = matchMedia("(min-width: 1150px)");
const arrange = () => drawer("panel", wide.matches);
wide.onchange = arrange;

// ---- the composer: commands and their options

let choice = 0;
let command = null;
const files = {};

const commands = () => {
  const direct = state.parts.channels?.find((one) => one.id === state.channel)?.direct;
  return (state.parts.commands ?? []).filter((one) => !direct || one.direct);
};

function suggest() {
  const typed = $("box").value;
  const word = typed.slice(1).toLowerCase();
  const found = typed.startsWith("/") ? commands().filter((one) => one.name.includes(word)) : [];
  choice = Math.min(choice, Math.max(found.length - 1, 0));
  const items = found.map((one, at) => {
    const options = one.options.map((o) => make("code", { textContent: o.name }));
    const item = make("div", { id: `s${at}`, role: "option", "aria-selected": String(at === choice) },
      make("strong", { textContent: `/${one.name}` }), " ", ...options, make("small", { textContent: one.description }));
    item.onmousedown = (event) => {
      event.preventDefault();
      enter(one);
    };
    return item;
  });
  $("suggestions").replaceChildren(...items);
  $("suggestions").hidden = items.length === 0;
  $("box").setAttribute("aria-expanded", String(items.length > 0));
  if (items.length) $("box").setAttribute("aria-activedescendant", `s${choice}`);
  else $("box").removeAttribute("aria-activedescendant");
  return found;
}

/** Open a command's form. */
function enter(chosen) {
  command = chosen;
  for (const name of Object.keys(files)) delete files[name];
  $("box").value = "";
  suggest();
  const send = make("button", { className: "primary", textContent: "Send" });
  const close = make("button", { type: "button", className: "icon", "aria-label": "Leave this command", textContent: "✕", onclick: leave });
  $("fields").replaceChildren(make("strong", { className: "command", textContent: `/${chosen.name}` }), ...chosen.options.map(field), send, close);
  $("fields").setAttribute("aria-label", `/${chosen.name}: ${chosen.description}`);
  $("fields").hidden = false;
  $("box").hidden = true;
  hint(chosen.options.length ? "" : chosen.description);
  ($("fields").querySelector("input, select") ?? send).focus();
}

function leave() {
  command = null;
  $("fields").hidden = true;
  $("fields").replaceChildren();
  $("box").hidden = false;
  hint("");
}

function field(option) {
  const about = { name: option.name, required: option.required === true, title: option.description };
  const said = () => hint(option.description);
  let input;
  const select = (pairs) => make("select", about, make("option", { value: "", textContent: "" }), ...pairs.map(([value, words]) => make("option", { value, textContent: words })));
  if (option.choices?.length) input = select(option.choices.map((one) => [one.value, one.name]));
  else if (option.type === 5) input = select([["true", "True"], ["false", "False"]]);
  else if (option.type === 6 || option.type === 9) input = select(state.parts.people.map((one) => [one.id, one.name]));
  else if (option.type === 7) input = select(state.parts.channels.filter((one) => !one.direct).map((one) => [one.id, one.name]));
  else if (option.type === 4 || option.type === 10) input = make("input", { ...about, type: "number", step: option.type === 4 ? "1" : "any", min: option.min_value ?? "", max: option.max_value ?? "" });
  else if (option.type === 11) return attachment(option, said);
  else {
    input = make("input", { ...about, type: "text" });
    if (option.max_length) input.maxLength = option.max_length;
    if (option.min_length) input.minLength = option.min_length;
  }
  input.onfocus = said;
  return make("label", { className: "field" }, make("span", { textContent: option.name + (option.required ? "" : " (optional)") }), input);
}

function attachment(option, said) {
  const input = make("input", { type: "file", name: option.name, required: option.required === true, "aria-label": `${option.name}: choose a file`, onfocus: said });
  const words = make("span", { className: "file", textContent: "drop, paste or choose" });
  input.onchange = () => input.files[0] && take(option.name, input.files[0]);
  return make("label", { className: "field upload" }, make("span", { textContent: option.name + (option.required ? "" : " (optional)") }), input, words);
}

/** Give a file to an option of the open command. */
function take(name, file) {
  files[name] = file;
  const input = $("fields").querySelector(`input[type=file][name="${CSS.escape(name)}"]`);
  input.required = false;
  const label = input.parentElement;
  URL.revokeObjectURL(label.querySelector("img")?.src ?? "");
  label.querySelector("img")?.remove();
  label.querySelector(".file").textContent = file.name;
  if (file.type.startsWith("image/")) label.append(make("img", { src: URL.createObjectURL(file), alt: "" }));
  input.setAttribute("aria-label", `${name}: ${file.name}; choose another file`);
}

/** A file was dropped or pasted: it belongs to the open command, or to the first that takes one. */
function receive(file) {
  const takes = (one) => one.options.find((option) => option.type === 11);
  if (!command || !takes(command)) {
    const first = commands().find(takes);
    if (!first) return hint("No command takes a file here.");
    enter(first);
  }
  const empty = command.options.find((option) => option.type === 11 && !files[option.name]) ?? takes(command);
  take(empty.name, file);
}

async function send() {
  const options = {};
  const people = [];
  for (const option of command.options) {
    const raw = $("fields").querySelector(`[name="${CSS.escape(option.name)}"]`).value;
    if (option.type === 11 || raw === "") continue;
    if (option.type === 6 || option.type === 9) people.push(option.name);
    options[option.name] = option.type === 4 || option.type === 10 ? Number(raw) : option.type === 5 ? raw === "true" : raw;
  }
  const button = $("fields").querySelector("button.primary");
  button.disabled = true;
  const name = command.name;
  if (await act("slash", { name, options, people, channel: state.channel }, { ...files })) {
    leave();
    $("box").focus();
  }
  button.disabled = false;
}

$("box").oninput = () => {
  choice = 0;
  suggest();
  hint("");
};
$("box").onblur = () => ($("suggestions").hidden = true);
$("box").onfocus = suggest;
$("box").onkeydown = (event) => {
  const found = $("suggestions").hidden ? [] : suggest();
  if (event.key === "Escape") $("suggestions").hidden = true;
  else if (found.length && ["ArrowDown", "ArrowUp"].includes(event.key)) {
    choice = (choice + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
    suggest();
  } else if (found.length && (event.key === "Enter" || event.key === "Tab")) enter(found[choice]);
  else return;
  event.preventDefault();
};
$("fields").onkeydown = (event) => {
  if (event.key === "Escape" || (event.key === "Backspace" && event.target.type === "text" && !event.target.value)) {
    event.preventDefault();
    leave();
    $("box").focus();
  }
};
$("composer").onsubmit = (event) => {
  event.preventDefault();
  if (command) send();
  else if ($("box").value) hint("The bot reads no messages: type / for its commands.");
};

for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dropping", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) receive(event.dataTransfer.files[0]);
  });
}
addEventListener("paste", (event) => {
  const file = event.clipboardData?.files[0];
  if (!file) return;
  event.preventDefault();
  receive(file);
});

$("sample").onclick = async () => {
  const data = await (await fetch("sample.png")).blob();
  receive(new File([data], "evening-hills.png", { type: "image/png" }));
  const prompt = $("fields").querySelector("input[type=text]");
  if (!prompt) return;
  prompt.value = "a paper lantern city at dusk, watercolour";
  $("fields").querySelector("button.primary").focus();
  hint("Press Enter to send it.");
};

// ---- everything else

for (const button of document.querySelectorAll("[data-do]")) {
  button.onclick = () => act(button.dataset.do, JSON.parse(button.dataset.body));
}
for (const id of ["api", "discord"]) $(id).onchange = () => act(id, { fault: $(id).value });
$("open-places").onclick = () => drawer("places", !$("places").classList.contains("open"));
$("open-panel").onclick = () => drawer("panel", !$("panel").classList.contains("open"));
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || wide.matches) return;
  for (const id of ["places", "panel"]) {
    if (!$(id).classList.contains("open")) continue;
    drawer(id, false);
    document.querySelector(`[aria-controls="${id}"]`).focus();
  }
});
for (const id of ["user", "locale", "theme"]) {
  $(id).onchange = () => {
    stored[id] = $(id).value;
    if (id === "user") stored.user = $("user").selectedOptions[0].textContent.toLowerCase();
    localStorage.setItem("sandbox", JSON.stringify(stored));
    if (id === "theme") document.documentElement.dataset.theme = stored.theme;
    else connect();
  };
}
$("locale").value = stored.locale;
$("theme").value = stored.theme;
document.documentElement.dataset.theme = stored.theme;
arrange();
connect();
