// Keeps the page current without reloads, tells times in the viewer's zone, reads charts, listens to keys.
"use strict";

const short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const long = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const figures = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

function moment(ms, seconds, date) {
  const at = new Date(Number(ms));
  const old = Math.abs(Date.now() - at) > 20 * 3600e3;
  const clock = (seconds ? long : short).format(at);
  if (!date && !old) return clock;
  const year = at.getFullYear() === new Date().getFullYear() ? "" : ` ${at.getFullYear()}`;
  return `${day.format(at)}${year}, ${clock}`;
}

// Server times are written in UTC; axis labels (svg text) stay short whatever their age.
function localise(root) {
  for (const el of root.querySelectorAll("time[data-ms]")) {
    el.textContent = moment(el.dataset.ms, "seconds" in el.dataset, "date" in el.dataset);
  }
  for (const el of root.querySelectorAll("text[data-ms]")) {
    el.textContent = ("seconds" in el.dataset ? long : short).format(new Date(Number(el.dataset.ms)));
  }
}

// Turns `old` into `next` in place, so that focus, selection and opened details survive an update.
function morph(old, next) {
  if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName) return old.replaceWith(next);
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
    return;
  }
  if (old.matches(".cursor, .readout")) return;
  if (old.matches(".figure-plot")) {
    if (old.dataset.figure !== next.dataset.figure) {
      old.dataset.figure = next.dataset.figure;
      old.setAttribute("aria-label", next.getAttribute("aria-label"));
      old.dispatchEvent(new Event("figure", { bubbles: true }));
    }
    return;
  }
  const kept = old.nodeName === "DETAILS" ? "open" : "";
  for (const { name } of [...old.attributes]) {
    if (name !== kept && !next.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (name !== kept && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const theirs = [...next.childNodes];
  while (old.childNodes.length > theirs.length) old.lastChild.remove();
  theirs.forEach((child, index) => {
    const mine = old.childNodes[index];
    if (mine) morph(mine, child);
    else old.append(child);
  });
}

// What somebody is typing into is not changed under their hands.
function editing() {
  const at = document.activeElement;
  return at && at.matches("input, textarea, select") ? at : null;
}

function apply(patch) {
  if (patch.title) document.title = patch.title;
  for (const [id, markup] of Object.entries(patch.pieces || {})) {
    const place = document.getElementById(id);
    const holder = document.createElement("template");
    holder.innerHTML = markup;
    localise(holder.content);
    if (place && !place.contains(editing())) morph(place, holder.content.firstElementChild);
  }
  for (const plot of document.querySelectorAll(".plot[data-at]")) show(plot, Number(plot.dataset.at));
  // A panel that had to wait for the store brings a picture that nobody has drawn yet.
  for (const place of document.querySelectorAll("[data-figure]:not([data-asked])")) {
    place.dispatchEvent(new Event("figure", { bubbles: true }));
  }
}

// A page that is no longer current must say so: silence is not an all clear.
let heard = Date.now();
let source = null;

function lost(text) {
  const bar = document.getElementById("lost");
  if (bar.textContent !== text) bar.textContent = text;
  bar.hidden = !text;
  document.body.classList.toggle("lost", Boolean(text));
}

function listen() {
  if (source) source.close();
  source = new EventSource("/events?" + document.body.dataset.view);
  source.onmessage = (message) => {
    heard = Date.now();
    const patch = JSON.parse(message.data);
    if (patch.trouble) return lost(patch.trouble);
    apply(patch);
    // A sign of life without content does not take back a trouble that was told.
    if (patch.pieces || document.getElementById("lost").dataset.why === "silence") lost("");
    delete document.getElementById("lost").dataset.why;
  };
}

function watch() {
  if (document.hidden || Date.now() - heard < 5000) return;
  document.getElementById("lost").dataset.why = "silence";
  lost(`Not current: nothing heard from the worker since ${long.format(heard)}. What stands here is old.`);
  if (source.readyState === EventSource.CLOSED) listen();
}

// Nobody looks at a hidden tab: it costs the worker nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) source.close();
  else { heard = Date.now(); listen(); }
});

function show(plot, index) {
  const points = JSON.parse(plot.dataset.series);
  const at = Math.min(Math.max(index, 0), points.length - 1);
  const [ms, value] = points[at];
  const first = points[0][0], last = points[points.length - 1][0];
  const cursor = plot.querySelector(".cursor");
  cursor.hidden = false;
  cursor.style.left = `${((ms - first) / Math.max(last - first, 1)) * 100}%`;
  plot.dataset.at = at;
  const text = `${moment(ms, "seconds" in plot.dataset)}: ${figures.format(value)} ${plot.dataset.unit}`;
  const readout = plot.parentElement.querySelector(".readout");
  if (readout.textContent !== text) readout.textContent = text;
}

function leave(plot) {
  plot.querySelector(".cursor").hidden = true;
  plot.parentElement.querySelector(".readout").textContent = "";
  delete plot.dataset.at;
}

document.addEventListener("pointermove", (event) => {
  const plot = event.target.closest ? event.target.closest(".plot") : null;
  for (const other of document.querySelectorAll(".plot[data-at]")) {
    if (other !== plot && other !== document.activeElement) leave(other);
  }
  if (!plot) return;
  const box = plot.getBoundingClientRect();
  const points = JSON.parse(plot.dataset.series);
  show(plot, Math.round(((event.clientX - box.left) / box.width) * (points.length - 1)));
});
document.addEventListener("focusout", (event) => {
  if (event.target.matches(".plot")) leave(event.target);
});

function step(by) {
  const links = [...document.querySelectorAll(".incidents h3 a, [data-line]")];
  if (!links.length) return;
  const here = links.indexOf(document.activeElement);
  links[(here + by + links.length + (here < 0 && by < 0 ? 1 : 0)) % links.length].focus();
}

const places = { p: "/", i: "/incidents", a: "/accounts", h: "/health" };
const turns = { "]": "a[rel=next]", "[": "a[rel=prev]" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
  const plot = event.target.matches(".plot") ? event.target : null;
  const moves = { ArrowLeft: -1, ArrowRight: 1 };
  if (plot && event.key in moves) {
    const length = JSON.parse(plot.dataset.series).length;
    show(plot, ("at" in plot.dataset ? Number(plot.dataset.at) : length) + moves[event.key]);
    event.preventDefault();
  } else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key in places) location.assign(places[event.key]);
  else if (event.key in turns) {
    const link = document.querySelector(turns[event.key]);
    if (link) link.click();
  } else if (event.key === "/" && document.querySelector("[data-search]")) {
    document.querySelector("[data-search]").select();
    event.preventDefault();
  }
  else if (event.key === "?") {
    const keys = document.getElementById("keys");
    if (keys.open) keys.close();
    else keys.showModal();
  }
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const place = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(place.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(place);
    button.textContent = "Selected: press Ctrl-C";
  }
  setTimeout(() => { button.textContent = "Copy query"; }, 2000);
});

// The page for analysts: a question of the boards is put into the form, Ctrl-Enter runs it.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-question]");
  if (!button) return;
  const field = document.getElementById("q");
  field.value = button.dataset.question;
  field.rows = Math.min(field.value.split("\n").length + 1, 24);
  field.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.id === "q") {
    event.target.form.requestSubmit();
  }
});

localise(document);
listen();
setInterval(watch, 1000);
