// Leads from the address to a page, asks for the token where one is needed, and listens.
import { api, h, replace, alertBox, Problem } from "./ui.js";
import { now } from "./now.js";
import { calls, call } from "./calls.js";
import { records } from "./records.js";
import { record } from "./record.js";
import { scripts } from "./scripts.js";
import { phones } from "./phones.js";

const pages = { now, calls, records, record, scripts, phones };
const root = document.getElementById("page");
let standing = new AbortController();
let stream = null;

// show draws the page that the address names: #/page/id?query.
async function show() {
  standing.abort();
  standing = new AbortController();
  const { signal } = standing;
  const [where, query] = (location.hash.slice(1) || "/now").split("?");
  const [name, id] = where.split("/").filter(Boolean).map(decodeURIComponent);
  let page = pages[name] ?? now;
  if (name === "calls" && id) page = call;
  for (const a of document.querySelectorAll("nav a")) {
    const current = a.hash === "#/" + (name === "record" ? "records" : name ?? "now");
    a.toggleAttribute("aria-current", current);
  }
  try {
    await page(root, { id, query: new URLSearchParams(query), signal, role: session.role });
    document.title = `${root.querySelector("h1")?.textContent ?? "Tandem"} · Tandem`;
  } catch (e) {
    if (e.name !== "AbortError") failed(e);
  }
}

function failed(e) {
  if (e instanceof Problem && e.code === 401) {
    askForToken();
    return;
  }
  document.getElementById("link").textContent = e instanceof TypeError ? "no connection" : e.message;
  if (!root.querySelector("h1")) replace(root, h("h1", null, "That did not work"), alertBox(e.message));
}

document.addEventListener("problem", (e) => failed(e.detail));

function askForToken(wrong) {
  standing.abort();
  stream?.close();
  const input = h("input", { type: "password", autocomplete: "current-password", required: true, name: "token" });
  const form = h("form", {
    onsubmit: async (e) => {
      e.preventDefault();
      try {
        await api("/session", { method: "POST", body: { token: input.value } });
        start();
      } catch (problem) {
        askForToken(problem.message);
      }
    },
  }, h("label", null, "Token of [http] token", input), h("button", null, "Log in"));
  replace(root, h("h1", null, "Log in"), wrong && alertBox(wrong), form);
  input.focus();
}

// listen tells the pages of what happens.
function listen() {
  stream?.close();
  stream = new EventSource("/api/v1/events");
  const link = document.getElementById("link");
  stream.onopen = () => { link.textContent = "live"; };
  stream.onerror = () => { link.textContent = "connecting…"; };
  for (const kind of ["call", "registration", "reload", "missed"]) {
    stream.addEventListener(kind, () => document.dispatchEvent(new Event("news:" + kind)));
  }
}

let session = {};

async function start() {
  try {
    session = await api("/session");
  } catch (e) {
    failed(e);
    return;
  }
  const leave = document.getElementById("leave");
  leave.hidden = session.expires_ms == null;
  leave.onclick = async () => {
    await api("/session", { method: "DELETE" });
    leave.hidden = true;
    askForToken();
  };
  listen();
  show();
}

addEventListener("hashchange", () => { show(); root.focus(); });
start();
