// Calls: those in progress, and one of them.
import { api, h, replace, table, party, span, clock, every, onNews, path, alertBox } from "./ui.js";

export async function calls(root, { signal, role }) {
  const list = h("div");
  replace(root, h("h1", null, "Calls"), list);
  const draw = async () => {
    const { items } = await api("/calls", { signal });
    replace(list, table([
      ["Since", (c) => clock(c.start_ms)],
      ["From", (c) => h("a", { href: "#/calls" + path(c.id) }, party(c.from_user, c.from_host, c.from_display))],
      ["To", (c) => c.number || c.to_user],
      ["State", (c) => c.state],
      ["For", (c) => span(c.duration_ms), "num"],
      ["Trunk", (c) => c.trunk],
      ["Script", (c) => (c.script ? `${c.script}, generation ${c.generation}` : "")],
      ["", (c) => role === "admin" && hangUp(c.id)],
    ], items, "Nobody is calling."));
  };
  await draw();
  const again = every(3000, signal, draw);
  onNews(["call", "missed"], signal, again);
}

function hangUp(id, then) {
  return h("button", {
    type: "button", class: "danger",
    onclick: async (e) => {
      e.target.disabled = true;
      try {
        await api("/calls" + path(id), { method: "DELETE" });
        then?.();
      } catch (problem) {
        e.target.replaceWith(alertBox(problem.message));
      }
    },
  }, "Hang up");
}

// call shows one that is in progress; when it has ended, its record.
export async function call(root, { id, signal, role }) {
  const body = h("div");
  replace(root, h("h1", null, "A call in progress"), body);
  const draw = async () => {
    let c;
    try {
      c = await api("/calls" + path(id), { signal });
    } catch (e) {
      if (e.code !== 404) throw e;
      location.replace("#/record" + path(id));
      return;
    }
    replace(body,
      h("p", null, `${party(c.from_user, c.from_host, c.from_display)} → ${c.number || c.to_user}, ${c.state}, ${span(c.duration_ms)} `,
        c.trunk && `by trunk ${c.trunk} `, role === "admin" && hangUp(id)),
      h("h2", null, "Legs"), legs(c.legs),
      h("h2", null, "Script"), waiting(c));
  };
  await draw();
  const again = every(2000, signal, draw);
  onNews(["call"], signal, again);
}

function legs(list) {
  return table([
    ["Leg", (l) => `${l.role} ${l.seq}`],
    ["Target", (l) => l.target],
    ["Remote", (l) => l.remote],
    ["State", (l) => l.state],
    ["Codec", (l) => l.codec],
    ["User agent", (l) => l.user_agent],
    ["Heard, MOS", (l) => l.quality?.mos?.toFixed(1), "num"],
    ["Loss", (l) => l.quality?.loss != null && `${l.quality.loss.toFixed(1)} %`, "num"],
    ["Jitter", (l) => l.quality?.jitter_ms != null && `${l.quality.jitter_ms.toFixed(0)} ms`, "num"],
    ["Packets in", (l) => l.rx_packets, "num"],
    ["Packets out", (l) => l.tx_packets, "num"],
  ], list);
}

function waiting(c) {
  if (!c.script) return h("p", { class: "dim" }, "No script has it.");
  return h("div", null,
    h("p", null, `${c.script}, generation ${c.generation}${c.script_state ? `: ${c.script_state}` : ""}`),
    (c.waiting ?? []).map((w) => h("div", null,
      h("p", null, `in ${w.in} at ${w.script}:${w.line}${w.function ? ` in ${w.function}` : ""}, for ${span(w.for_ms)}`),
      w.stack?.length > 1 && h("pre", null, w.stack.map((f) => `${f.script}:${f.line} in ${f.function}`).join("\n")))));
}
