// What a message shows: components, embeds, pictures and files.

import { $, act, make, markdown, state } from "./dom.js";
import { selectMenu } from "./select.js";

/** Draw a component of a message. */
export function part(component, message) {
  const inner = (list) => (list ?? []).map((one) => part(one, message));
  switch (component.type) {
    case 1:
      return make("div", { className: "buttons" }, ...inner(component.components));
    case 2:
      return pressable(component, message);
    case 3: case 5: case 6: case 7: case 8:
      return busy(selectMenu(component, "", (values) => act("select", { message: message.id, custom_id: component.custom_id, values })), component, message);
    case 9:
      return make("div", { className: "section" }, make("div", {}, ...inner(component.components)), part(component.accessory, message));
    case 10:
      return markdown(component.html);
    case 11:
      return picture(component.media, component.description, "thumbnail", component.spoiler);
    case 12:
      return gallery(component.items.map((item) => ({ ...item.media, description: item.description, spoiler: item.spoiler })));
    case 13:
      return attached({ ...component.file, filename: component.name, size: component.size });
    case 14:
      return make("hr", { className: `${component.divider === false ? "blank" : ""} ${component.spacing === 2 ? "large" : ""}` });
    case 17: {
      const box = make("div", { className: `container${component.spoiler ? " veiled" : ""}` }, ...inner(component.components));
      if (component.accent_color !== null && component.accent_color !== undefined) {
        box.style.setProperty("--accent", colour(component.accent_color));
        box.classList.add("accented");
      }
      return component.spoiler ? veil(box) : box;
    }
    default:
      return unknown(`Component of type ${component.type}`, component);
  }
}

const colour = (number) => `#${number.toString(16).padStart(6, "0")}`;

const STYLES = ["", "primary", "secondary", "success", "danger", "", "primary"];

function pressable(button, message) {
  const emoji = button.emoji ? make("span", { className: "emoji", textContent: button.emoji.name, "aria-hidden": button.label ? "true" : null }) : null;
  const label = button.label ? make("span", { textContent: button.label }) : null;
  const jump = /^https:\/\/discord\.com\/channels\/[^/]+\/\d+\/(\d+)$/.exec(button.url ?? "");
  if (jump) return make("a", { className: "button secondary", href: `#m${jump[1]}` }, emoji, label);
  if (button.style === 5) {
    return make("a", { className: "button secondary", href: button.url, target: "_blank", rel: "noopener noreferrer" }, emoji, label, make("span", { textContent: "↗", "aria-hidden": "true" }));
  }
  const element = make("button", { type: "button", className: STYLES[button.style] ?? "", disabled: button.disabled }, emoji, label);
  element.dataset.id = button.custom_id;
  element.onclick = () => {
    element.classList.add("busy");
    act("press", { message: message.id, custom_id: button.custom_id });
  };
  return busy(element, button, message);
}

/** Show Discord's dots on what waits for an answer; it keeps its size. */
function busy(element, component, message) {
  const waits = message.notice?.state === "sending" && message.notice.custom_id === component.custom_id;
  element.classList.toggle("busy", waits);
  if (waits) element.setAttribute("aria-busy", "true");
  return element;
}

/** Lay out pictures as Discord does: one large, two or four in pairs, more in threes. */
export function gallery(items) {
  const columns = items.length === 1 ? 1 : items.length === 2 || items.length === 4 ? 2 : 3;
  const box = make("div", { className: `galleries columns${columns}` });
  box.append(...items.map((item) => picture(item, item.description, "gallery", item.spoiler)));
  return box;
}

function picture(media, words, className, spoiler) {
  const name = words || "Picture";
  const image = make("img", { src: media.url, alt: words ?? "", loading: "eager" });
  if (media.width) [image.width, image.height] = [media.width, media.height];
  const button = make("button", { type: "button", className: `${className} picture`, "aria-label": `Open: ${name}` }, image);
  if (!words) image.alt = "Picture";
  button.dataset.id = `${className} ${media.url.split("?")[0]}`;
  button.onclick = () => enlarge(button);
  return spoiler ? veil(button) : button;
}

/** Hide something until somebody wants to see it. */
function veil(element) {
  const cover = make("button", { type: "button", className: "cover", textContent: "Spoiler", "aria-label": "Show the spoiler" });
  const box = make("div", { className: "veil" }, element, cover);
  element.inert = true;
  cover.onclick = () => {
    element.inert = false;
    cover.remove();
    box.classList.add("open");
  };
  return box;
}

export function attachments(files) {
  const images = files.filter((file) => file.content_type?.startsWith("image/"));
  const drawn = files.filter((file) => !images.includes(file)).map(attached);
  if (images.length) drawn.unshift(gallery(images.map((file) => ({ ...file, description: file.description ?? file.filename, spoiler: file.filename.startsWith("SPOILER_") }))));
  return drawn;
}

function attached(file) {
  const size = file.size === undefined ? "" : file.size < 1e6 ? `${Math.ceil(file.size / 1e3)} kB` : `${(file.size / 1e6).toFixed(2)} MB`;
  const link = make("a", { href: file.url, textContent: file.filename, target: "_blank", rel: "noopener noreferrer" });
  return make("div", { className: "file-box" }, make("span", { textContent: "📄", "aria-hidden": "true" }), make("div", {}, link, make("small", { textContent: size })));
}

export function embed(found) {
  const box = make("div", { className: "container accented embed" });
  box.style.setProperty("--accent", colour(found.color ?? 0x4e5058));
  const row = make("div", { className: "section" }, make("div", { className: "embed-body" }));
  const body = row.firstChild;
  if (found.author) body.append(make("strong", { className: "embed-author", textContent: found.author.name }));
  if (found.title) {
    const title = markdown(found.title);
    title.classList.add("embed-title");
    body.append(found.url ? make("a", { href: found.url, target: "_blank", rel: "noopener noreferrer" }, title) : title);
  }
  if (found.description) body.append(markdown(found.description));
  if (found.fields.length) {
    const fields = found.fields.map((field) => make("div", { className: field.inline ? "inline" : "" }, make("div", { className: "field-name" }, markdown(field.name)), markdown(field.value)));
    body.append(make("div", { className: "embed-fields" }, ...fields));
  }
  if (found.thumbnail) row.append(picture(found.thumbnail, "Thumbnail", "thumbnail"));
  box.append(row);
  if (found.image) box.append(gallery([found.image]));
  const footer = [found.footer?.text, found.timestamp && new Date(found.timestamp).toLocaleString()].filter(Boolean);
  if (footer.length) box.append(make("small", { textContent: footer.join(" • ") }));
  return box;
}

function unknown(title, content) {
  const text = make("pre", { textContent: JSON.stringify(content, null, 1) });
  return make("details", { className: "unknown" }, make("summary", { textContent: `${title}: not drawn by the sandbox` }), text);
}

// ---- a picture, large

let shown = { all: [], at: 0 };

function enlarge(button) {
  const all = [...button.closest("article, .body").querySelectorAll("button.gallery.picture")];
  shown = all.includes(button) ? { all, at: all.indexOf(button) } : { all: [button], at: 0 };
  showLarge();
  $("viewer").showModal();
}

function showLarge() {
  const image = shown.all[shown.at].querySelector("img");
  const large = $("viewer").querySelector("img");
  [large.src, large.alt] = [image.src, image.alt];
  if (image.width) [large.width, large.height] = [image.getAttribute("width"), image.getAttribute("height")];
  $("viewer").querySelector("a").href = image.src;
  $("viewer").querySelector(".alt").textContent = image.alt === "Picture" ? "" : image.alt;
  for (const side of ["before", "next"]) $("viewer").querySelector(`.${side}`).hidden = shown.all.length < 2;
}

const turn = (by) => {
  shown.at = (shown.at + by + shown.all.length) % shown.all.length;
  showLarge();
};

export function prepareViewer() {
  const dialog = $("viewer");
  dialog.querySelector(".before").onclick = () => turn(-1);
  dialog.querySelector(".next").onclick = () => turn(1);
  dialog.onkeydown = (event) => {
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  };
  // A click beside the picture and its controls is one on the backdrop.
  dialog.onclick = (event) => event.target.closest("img, a, button") ?? dialog.close();
}
