// What all pages use: elements, the API, and how things are written.

// h makes an element. Children that are strings become text, never markup.
export function h(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (value === true) e.setAttribute(name, "");
    else if (value !== false && value != null) e.setAttribute(name, value);
  }
  e.append(...children.flat(Infinity).filter((c) => c != null && c !== false));
  return e;
}

// svg makes an element of a drawing.
export function svg(tag, props, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (value != null) e.setAttribute(name, value);
  }
  e.append(...children.flat(Infinity).filter((c) => c != null && c !== false));
  return e;
}

// Problem is an error of the API.
export class Problem extends Error {
  constructor(code, message, errors) {
    super(message);
    this.code = code;
    this.errors = errors ?? [];
  }
}

// api asks below /api/v1 and returns what comes as JSON.
export async function api(path, { method = "GET", body, signal } = {}) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetch("/api/v1" + path, {
    method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body),
  });
  const out = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new Problem(answer.status, out.error?.message ?? answer.statusText, out.error?.errors);
  }
  return out;
}

export const path = (...parts) => parts.map((p) => "/" + encodeURIComponent(p)).join("");

// replace shows children in place of what root had.
export function replace(root, ...children) {
  root.replaceChildren(...children.flat(Infinity).filter((c) => c != null && c !== false));
}

const twoDigits = (n) => String(n).padStart(2, "0");

// clock writes a time of day, day where it is not today's.
export function clock(ms) {
  if (ms == null) return "";
  const d = new Date(ms), today = new Date();
  const time = `${twoDigits(d.getHours())}:${twoDigits(d.getMinutes())}:${twoDigits(d.getSeconds())}`;
  if (d.toDateString() === today.toDateString()) return time;
  return `${d.getFullYear()}-${twoDigits(d.getMonth() + 1)}-${twoDigits(d.getDate())} ${time}`;
}

// span writes a duration of milliseconds.
export function span(ms) {
  if (ms == null) return "";
  if (ms < 1000) return `${ms} ms`;
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${(ms / 1000).toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)}:${twoDigits(s % 60)}`;
  if (s < 86400) return `${Math.floor(s / 3600)}:${twoDigits(Math.floor(s / 60) % 60)}:${twoDigits(s % 60)}`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

// party names one end of a call.
export function party(user, host, display) {
  const address = user ? (host ? `${user}@${host}` : user) : host ?? "";
  return display ? `${display} <${address}>` : address;
}

// table makes one of rows; a column is [title, function of the row, class].
export function table(columns, rows, empty = "None.") {
  if (rows.length === 0) return h("p", { class: "dim" }, empty);
  return h("div", { class: "scroll" }, h("table", null,
    h("thead", null, h("tr", null, columns.map(([title, , kind]) => h("th", { scope: "col", class: kind }, title)))),
    h("tbody", null, rows.map((r) => h("tr", null, columns.map(([, cell, kind]) => h("td", { class: kind }, cell(r) ?? "")))))));
}

export const card = (value, title, { href, state } = {}) =>
  h(href ? "a" : "div", { class: "card " + (state ?? ""), href }, h("b", null, String(value)), h("span", null, title));

export const alertBox = (text) => h("div", { class: "alert", role: "alert" }, text);

// every runs f now and then as long as the page stands; f's errors show on it.
export function every(ms, signal, f) {
  let timer;
  const run = async () => {
    clearTimeout(timer);
    if (signal.aborted) return;
    try {
      await f();
    } catch (e) {
      if (e.name !== "AbortError") document.dispatchEvent(new CustomEvent("problem", { detail: e }));
    }
    if (!signal.aborted) timer = setTimeout(run, ms);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  run();
  return run;
}

// onNews calls f when something of a kind happens, at most once a second.
export function onNews(kinds, signal, f) {
  let due = null;
  const heard = () => {
    due ??= setTimeout(() => {
      due = null;
      if (!signal.aborted) f();
    }, 300);
  };
  for (const kind of kinds) document.addEventListener("news:" + kind, heard, { signal });
}
