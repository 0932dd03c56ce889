// The page of the sandbox: shows what the server streams, and sends back what a member does.

import { $, locale, state, store, stored, viewer } from "./dom.js";
import { prepareViewer } from "./components.js";
import { fillIn, leave, prepareComposer, suggest } from "./composer.js";
import { prepareMessages, redraw, take, welcome, whenJumping } from "./messages.js";
import { prepareModal, showModal } from "./modal.js";
import { drawer, fill, preparePanels, showBot, showChannels, showFaults, showLedger, showLog, showViewer } from "./panel.js";

let stream = null;

function connect() {
  stream?.close();
  const query = new URLSearchParams({ user: viewer(), locale: locale() });
  stream = new EventSource(`events?${query}`);
  let first = true;
  stream.onopen = () => {
    $("offline").hidden = true;
    first = true;
  };
  stream.onerror = () => {
    $("offline").hidden = false;
    $("status").textContent = "unreachable";
  };
  stream.onmessage = (event) => {
    const parts = JSON.parse(event.data);
    if (first) for (const key of Object.keys(state.parts)) if (!(key in parts)) parts[key] = null;
    Object.assign(state.parts, parts);
    for (const [key, part] of Object.entries(parts)) if (part === null && key !== "modal" && key !== "ledger") delete state.parts[key];
    show(parts, first);
    first = false;
  };
}

const known = (people) => people.find((p) => p.id === $("user").value || p.name.toLowerCase() === stored.user)?.id;

function show(parts, first) {
  if (parts.people) fill($("user"), parts.people.map((p) => [p.id, p.name]), known(parts.people));
  showViewer(parts);
  if (parts.bot) showBot(parts.bot);
  if (parts.faults) showFaults(parts.faults);
  if (parts.ledger) showLedger(parts.ledger);
  if (parts.log) showLog(parts.log);
  const open = state.channel;
  if (!state.parts.channels.some((one) => one.id === state.channel)) state.channel = state.parts.channels[0].id;
  if (open !== state.channel) redraw();
  take(parts, first);
  showChannels(go);
  welcome();
  if (parts.commands && !$("suggestions").hidden) suggest();
  if ("modal" in parts) showModal(parts.modal);
}

/** Open a channel. */
function go(id) {
  state.channel = id;
  leave();
  redraw();
  showChannels(go);
  welcome();
  if (getComputedStyle($("places")).position === "fixed") drawer("places", false);
}

$("sample").onclick = async () => {
  const data = await (await fetch("sample.png")).blob();
  fillIn(new File([data], "evening-hills.png", { type: data.type }), "a paper lantern city at dusk, watercolour");
};
$("user").onchange = () => {
  stored.user = $("user").selectedOptions[0].textContent.toLowerCase();
  store();
  state.channel = null;
  connect();
};
$("locale").onchange = () => {
  stored.locale = locale();
  store();
  connect();
};
$("theme").onchange = () => {
  stored.theme = $("theme").value;
  store();
  document.documentElement.dataset.theme = stored.theme;
};
$("theme").value = stored.theme;
document.documentElement.dataset.theme = stored.theme;
prepareViewer();
prepareModal();
prepareComposer();
prepareMessages(() => state.parts.channels && showChannels(go));
whenJumping(go);
preparePanels();
connect();
