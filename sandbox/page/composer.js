// The message box: text and files as a member posts them, and commands with their options.

import { $, act, arrows, hint, iconButton, isHere, make, openBeside, state } from "./dom.js";
import { toEnd } from "./messages.js";

const [TEXT, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, FILE] = [3, 4, 5, 6, 7, 8, 9, 10, 11];

let choice = 0;
let command = null;
let given = {}; // files by option
let posted = []; // files of a message that is being written

const commands = () => (state.parts.commands ?? []).filter(isHere);

// ---- the picker

export function suggest() {
  const typed = $("box").value;
  const word = typed.slice(1).toLowerCase();
  const found = typed.startsWith("/") ? commands().filter((one) => one.label.includes(word) || one.name.includes(word)) : [];
  found.sort((a, b) => Number(b.label.startsWith(word)) - Number(a.label.startsWith(word)));
  choice = Math.min(choice, Math.max(found.length - 1, 0));
  const items = found.map((one, at) => {
    const options = one.options.map((o) => make("span", { className: o.required ? "option required" : "option", textContent: o.label }));
    const item = make("div", { id: `s${at}`, role: "option", "aria-selected": String(at === choice) },
      make("div", {}, make("strong", { textContent: `/${one.label}` }), " ", ...options, make("small", { textContent: one.description })),
      make("small", { className: "whose", textContent: state.parts.bot?.name ?? "" }));
    item.onmousedown = (event) => {
      event.preventDefault();
      enter(one);
    };
    return item;
  });
  $("suggestions").replaceChildren(...items);
  $("suggestions").hidden = items.length === 0;
  $("box").setAttribute("aria-expanded", String(items.length > 0));
  if (items.length) {
    $("box").setAttribute("aria-activedescendant", `s${choice}`);
    items[choice].scrollIntoView({ block: "nearest" });
  } else $("box").removeAttribute("aria-activedescendant");
  return found;
}

// ---- a command and its options

/** Open a command's options: those that it needs, and a button for the others. */
function enter(chosen) {
  command = chosen;
  given = {};
  $("box").value = "";
  suggest();
  const send = make("button", { className: "primary", textContent: "Send" });
  const close = iconButton("✕", "Leave this command", leave);
  $("fields").replaceChildren(make("strong", { className: "command", textContent: `/${chosen.label}` }), ...chosen.options.filter((o) => o.required).map(field), send, close);
  more();
  $("fields").setAttribute("aria-label", `/${chosen.label}: ${chosen.description}`);
  $("fields").hidden = false;
  $("line").hidden = true;
  hint(chosen.options.length ? "" : chosen.description);
  ($("fields").querySelector("input, select") ?? send).focus();
}

/** Offer the options that are not there yet. */
function more() {
  $("fields").querySelector(".more-options")?.remove();
  const left = command.options.filter((option) => !option.required && !fieldOf(option.name));
  if (!left.length) return;
  const button = make("button", { type: "button", className: "more-options", "aria-haspopup": "menu", textContent: `+${left.length} optional` });
  button.onclick = () => {
    const entries = left.map((option) => {
      const entry = make("button", { type: "button", role: "menuitem", tabIndex: -1 }, make("span", {}, make("strong", { textContent: option.label }), make("small", { textContent: option.description })));
      entry.onclick = () => {
        menu.hidePopover();
        add(option);
      };
      return entry;
    });
    const menu = make("div", { className: "menu", popover: "auto", role: "menu", "aria-label": "Optional options" }, ...entries);
    menu.onkeydown = (event) => arrows(event, entries);
    openBeside(menu, button);
    entries[0].focus();
  };
  $("fields").querySelector("button.primary").before(button);
}

function add(option) {
  const made = field(option);
  ($("fields").querySelector(".more-options") ?? $("fields").querySelector("button.primary")).before(made);
  more();
  made.querySelector("input, select").focus();
}

function removeOption(name) {
  delete given[name];
  fieldOf(name).closest(".field").remove();
  more();
  ($("fields").querySelector(".more-options") ?? $("fields").querySelector("button.primary")).focus();
}

export function leave() {
  command = null;
  given = {};
  $("fields").hidden = true;
  $("fields").replaceChildren();
  $("line").hidden = false;
  hint("");
}

const fieldOf = (name) => $("fields").querySelector(`[name="${CSS.escape(name)}"]`);

/** What an option of a kind offers, as pairs of value and words. */
function offered(option) {
  const { members, roles, channels } = state.parts;
  const people = members.map((one) => [one.id, one.name]);
  const all = roles.map((one) => [one.id, `@${one.name}`]);
  const place = channels.find((one) => one.id === state.channel);
  const inside = channels.filter((one) => !one.direct && one.server === place.server && (!option.channel_types || option.channel_types.includes(one.type)));
  if (option.choices.length) return option.choices;
  if (option.type === BOOLEAN) return [["true", "True"], ["false", "False"]];
  if (option.type === USER) return people;
  if (option.type === ROLE) return all;
  if (option.type === MENTIONABLE) return [...people, ...all];
  if (option.type === CHANNEL) return inside.map((one) => [one.id, `#${one.name}`]);
  return null;
}

function field(option) {
  const said = () => hint(option.description);
  const about = { name: option.name, required: option.required === true, title: option.description, onfocus: said };
  const pairs = offered(option);
  const number = option.type === INTEGER || option.type === NUMBER;
  let input;
  let words = null;
  if (option.type === FILE) {
    input = make("input", { ...about, type: "file", "aria-label": `${option.label}: choose a file` });
    input.onchange = () => input.files[0] && take(option.name, input.files[0]);
    words = make("span", { className: "file", textContent: "drop, paste or choose" });
  } else if (pairs) {
    const none = make("option", { value: "", textContent: "" });
    input = make("select", about, none, ...pairs.map(([value, text]) => make("option", { value, textContent: text })));
  } else if (number) {
    input = make("input", { ...about, type: "number", step: option.type === INTEGER ? "1" : "any", min: option.min_value ?? "", max: option.max_value ?? "" });
  } else {
    input = make("input", { ...about, type: "text" });
    if (option.max_length) input.maxLength = option.max_length;
    if (option.min_length) input.minLength = option.min_length;
  }
  const label = make("label", { className: option.type === FILE ? "field upload" : "field" }, make("span", { className: "name", textContent: option.label }), input, words);
  if (option.required) return label;
  const without = iconButton("✕", `Without ${option.label}`, () => removeOption(option.name), "icon small");
  const wrapped = make("span", { className: label.className }, ...label.childNodes, without);
  if (option.type !== FILE) input.setAttribute("aria-label", option.label);
  return wrapped;
}

/** Give a file to an option of the open command. */
function take(name, file) {
  given[name] = file;
  const input = fieldOf(name);
  input.required = false;
  const label = input.parentElement;
  URL.revokeObjectURL(label.querySelector("img")?.src ?? "");
  label.querySelector("img")?.remove();
  label.querySelector(".file").textContent = file.name;
  if (file.type.startsWith("image/")) label.querySelector(".file").before(make("img", { src: URL.createObjectURL(file), alt: "" }));
  input.setAttribute("aria-label", `${name}: ${file.name}; choose another file`);
}

/** A file was dropped or pasted: it belongs to the open command, or to the first that takes one,
 * with words if there is such a command. Where there is none it is posted as a message. */
function receive(file) {
  const takes = (one) => one.options.find((option) => option.type === FILE);
  if (!command || !takes(command)) {
    const words = (one) => one.options.some((option) => option.type === TEXT && option.required);
    const fitting = command || posted.length ? [] : commands().filter(takes);
    const first = fitting.find(words) ?? fitting[0];
    if (!first) return attach([file]);
    enter(first);
  }
  const empty = command.options.find((option) => option.type === FILE && !given[option.name]) ?? takes(command);
  if (!fieldOf(empty.name)) add(empty);
  take(empty.name, file);
}

/** Write a command's values into its options; the page's own sample does. */
export function fillIn(file, words) {
  receive(file);
  const text = $("fields").querySelector("input[type=text]");
  if (!text) return;
  text.value = words;
  $("fields").querySelector("button.primary").focus();
  hint("Press Enter to send it.");
}

async function send() {
  const options = {};
  for (const option of command.options) {
    const raw = fieldOf(option.name)?.value ?? "";
    if (option.type === FILE || raw === "") continue;
    const number = option.type === INTEGER || option.type === NUMBER;
    options[option.name] = number ? Number(raw) : option.type === BOOLEAN ? raw === "true" : raw;
  }
  const button = $("fields").querySelector("button.primary");
  button.disabled = true;
  toEnd();
  if (!(await act("slash", { name: command.name, options }, given))) {
    leave();
    $("box").focus();
  }
  button.disabled = false;
}

// ---- a message of the member's own

function attach(files) {
  posted = [...posted, ...files].slice(0, 10);
  const shown = posted.map((file) => {
    const image = file.type.startsWith("image/") ? make("img", { src: URL.createObjectURL(file), alt: "" }) : make("span", { className: "paper", textContent: "📄", "aria-hidden": "true" });
    const remove = iconButton("🗑", `Remove ${file.name}`, () => {
      posted = posted.filter((one) => one !== file);
      attach([]);
    });
    return make("li", {}, image, make("span", { className: "file", textContent: file.name }), remove);
  });
  for (const image of $("files").querySelectorAll("img")) URL.revokeObjectURL(image.src);
  $("files").replaceChildren(...shown);
  $("files").hidden = shown.length === 0;
  if (shown.length) $("box").focus();
}

async function post() {
  const content = $("box").value.trim();
  if (content.startsWith("/")) return hint("There is no such command here.");
  if (!content && !posted.length) return;
  const files = Object.fromEntries(posted.map((file, at) => [`file${at}`, file]));
  toEnd();
  if (await act("say", { content }, files)) return;
  $("box").value = "";
  posted = [];
  attach([]);
}

// ---- keys, drops and pastes

export function prepareComposer() {
  $("box").oninput = () => {
    choice = 0;
    suggest();
    hint("");
  };
  $("box").onblur = () => {
    $("suggestions").hidden = true;
    $("box").setAttribute("aria-expanded", "false");
    $("box").removeAttribute("aria-activedescendant");
  };
  $("box").onfocus = suggest;
  $("box").onkeydown = (event) => {
    const found = $("suggestions").hidden ? [] : suggest();
    if (event.key === "Escape") $("suggestions").hidden = true;
    else if (found.length && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      choice = (choice + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
      suggest();
    } else if (event.key === "ArrowUp" && !$("box").value) $("messages").querySelector("article.current")?.focus();
    else if (found.length && (event.key === "Enter" || event.key === "Tab")) enter(found[choice]);
    else return;
    event.preventDefault();
  };
  $("fields").onkeydown = (event) => {
    const empty = event.target.matches("input[type=text], input[type=number]") && !event.target.value;
    if (event.key !== "Escape" && !(event.key === "Backspace" && empty)) return;
    event.preventDefault();
    const option = command.options.find((one) => one.name === event.target.name);
    if (event.key === "Backspace" && option && !option.required) return removeOption(option.name);
    leave();
    $("box").focus();
  };
  $("composer").onsubmit = (event) => {
    event.preventDefault();
    if (command) send();
    else post();
  };
  $("attach").onclick = () => $("attach-file").click();
  $("attach-file").onchange = () => {
    attach([...$("attach-file").files]);
    $("attach-file").value = "";
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
    if (!file || $("modal").open) return;
    event.preventDefault();
    receive(file);
  });
}
