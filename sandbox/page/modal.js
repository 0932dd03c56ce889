// The modal that a bot opened: fields of every kind, kept while it is sent.

import { $, act, make, markdown, state } from "./dom.js";
import { selectMenu } from "./select.js";

let open = null; // the id of the modal that is shown
let fields = new Map(); // by custom_id: how to read the field

export function showModal(modal) {
  const dialog = $("modal");
  if (!modal) {
    if (open && dialog.open) dialog.close();
    open = null;
    return;
  }
  if (modal.id !== open) draw(modal);
  const sending = modal.state === "sending";
  const button = dialog.querySelector("button.primary");
  button.disabled = sending;
  button.classList.toggle("busy", sending);
  $("modal-problem").textContent = modal.state === "failed" ? "Something went wrong. Try again." : "";
  if (!dialog.open) dialog.showModal();
}

function draw(modal) {
  open = modal.id;
  fields = new Map();
  $("modal-title").textContent = modal.title;
  $("modal-fields").replaceChildren(...modal.components.map(part));
}

function part(component) {
  switch (component.type) {
    case 1:
      return labelled(component.components[0].label, "", component.components[0]);
    case 10:
      return markdown(component.html);
    case 18:
      return labelled(component.label, component.description, component.component);
    default:
      return make("pre", { textContent: JSON.stringify(component, null, 1) });
  }
}

function labelled(words, description, component) {
  const required = component.required ?? component.type !== 23;
  const id = `field-${component.custom_id.replace(/\W/g, "-")}-${component.id}`;
  const star = required ? make("span", { className: "star", textContent: " *", "aria-hidden": "true" }) : null;
  const about = description ? make("small", { id: `${id}-about`, textContent: description }) : null;
  const common = { id, name: component.custom_id, required, "aria-describedby": about && about.id };
  if (component.type === 21 || component.type === 22) {
    const box = make("fieldset", {}, make("legend", {}, words, star), about, ...choices(component, required));
    return box;
  }
  if (component.type === 23) {
    const input = make("input", { ...common, required: false, type: "checkbox", checked: component.default === true });
    fields.set(component.custom_id, () => input.checked);
    return make("label", { className: "check" }, input, make("span", {}, words, about));
  }
  const input = control(component, words, common);
  if (input.tagName === "BUTTON") return make("div", { className: "labelled" }, make("span", { className: "label" }, words, star), about, input);
  return make("div", { className: "labelled" }, make("label", { className: "label", htmlFor: id }, words, star), about, input);
}

function control(component, words, common) {
  const name = component.custom_id;
  if (component.type === 4) {
    const input = make(component.style === 2 ? "textarea" : "input", { ...common, value: component.value ?? "", placeholder: component.placeholder ?? "" });
    if (component.style === 2) input.rows = 4;
    input.maxLength = component.max_length ?? 4000;
    if (component.min_length) input.minLength = component.min_length;
    fields.set(name, () => input.value);
    return input;
  }
  if (component.type === 19) return upload(component, common);
  const button = selectMenu({ ...component, min_values: common.required ? Math.max(component.min_values ?? 1, 1) : 0 }, words, () => button.setCustomValidity(""));
  fields.set(name, () => {
    if (common.required && !button.values.length) {
      button.focus();
      throw new Error(`Choose something under “${words}”.`);
    }
    return button.values;
  });
  return button;
}

function upload(component, common) {
  const most = component.max_values ?? 1;
  const input = make("input", { ...common, type: "file", multiple: most > 1 });
  const shown = make("div", { className: "previews" });
  input.onchange = () => {
    for (const image of shown.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    shown.replaceChildren(...[...input.files].filter((file) => file.type.startsWith("image/")).map((file) => make("img", { src: URL.createObjectURL(file), alt: file.name })));
  };
  fields.set(component.custom_id, () => {
    if (input.files.length > most) throw new Error(`Choose at most ${most} files.`);
    return [...input.files];
  });
  const box = make("div", { className: "upload-box" }, input, shown);
  box.htmlFor = common.id;
  return box;
}

function choices(component, required) {
  const kind = component.type === 21 ? "radio" : "checkbox";
  const inputs = component.options.map((one) => make("input", { type: kind, name: component.custom_id, value: one.value, checked: one.default === true }));
  const most = component.max_values ?? component.options.length;
  fields.set(component.custom_id, () => {
    const chosen = inputs.filter((one) => one.checked).map((one) => one.value);
    if (required && !chosen.length) throw new Error("Choose at least one.");
    if (kind === "checkbox" && chosen.length > most) throw new Error(`Choose at most ${most}.`);
    return chosen;
  });
  return component.options.map((one, at) => make("label", { className: "check" }, inputs[at], make("span", {}, one.label, one.description ? make("small", { textContent: one.description }) : null)));
}

async function send(event) {
  event.preventDefault();
  const values = {};
  const files = {};
  try {
    for (const [name, read] of fields) {
      const value = read();
      if (Array.isArray(value) && value[0] instanceof File) value.forEach((file, at) => (files[`${name}:${at}`] = file));
      else if (!(Array.isArray(value) && !value.length)) values[name] = value;
      else values[name] = [];
    }
  } catch (error) {
    $("modal-problem").textContent = error.message;
    return;
  }
  const why = await act("submit", { modal: open, values }, files);
  if (why) $("modal-problem").textContent = why;
}

export function prepareModal() {
  const dialog = $("modal");
  const close = () => {
    const id = open;
    open = null;
    dialog.close();
    if (id) act("dismiss", { message: id });
  };
  $("modal-form").onsubmit = send;
  for (const button of dialog.querySelectorAll("[data-close]")) button.onclick = close;
  dialog.oncancel = (event) => {
    event.preventDefault();
    close();
  };
  dialog.onmousedown = (event) => event.target === dialog && close();
}
