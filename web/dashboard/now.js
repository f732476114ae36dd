// Now: how things are, what goes wrong, and the last hour.
import { api, h, replace, card, span, clock, every, onNews, alertBox } from "./ui.js";
import { chart } from "./chart.js";

// signals are the costs that every operator of SIP pays, with the calls behind them.
const signals = [
  ["silent", "answered, no sound at all"],
  ["one_way", "heard on one side only"],
  ["no_ack", "answer never acknowledged"],
  ["retransmits", "messages had to be repeated"],
  ["slow_setup", "slow to ring"],
];

export async function now(root, { signal }) {
  const body = h("div");
  replace(root, h("h1", null, "Now"), body);
  const drawn = { calls: null, ended: null, delay: null };
  const draw = async () => {
    const [status, hour, trunks] = await Promise.all([api("/status", { signal }), api("/history", { signal }), api("/trunks", { signal })]);
    const past = sums(hour);
    if (!drawn.body) {
      drawn.top = h("div");
      drawn.charts = h("div", { class: "charts" });
      replace(body, drawn.top, h("h2", null, "The last hour"), drawn.charts);
      drawn.body = true;
    }
    replace(drawn.top, warnings(status, trunks.items), cards(status, past, trunks.items), h("h2", null, "What goes wrong, in the last hour"), signalCards(past));
    charts(drawn, hour);
  };
  await draw();
  const again = every(10_000, signal, draw);
  onNews(["call", "registration", "reload"], signal, again);
}

// sums adds up the hour.
function sums(hour) {
  const out = { started: 0, ended: {}, flags: {}, lastMinute: 0 };
  for (const s of hour.items) {
    out.started += s.started;
    for (const [state, n] of Object.entries(s.ended)) out.ended[state] = (out.ended[state] ?? 0) + n;
    for (const [flag, n] of Object.entries(s.flags)) out.flags[flag] = (out.flags[flag] ?? 0) + n;
  }
  const minute = hour.items.slice(-7, -1);
  out.perSecond = minute.reduce((n, s) => n + s.started, 0) / Math.max(1, minute.length * hour.step_ms / 1000);
  const delays = hour.items.map((s) => s.pdd_p95_ms).filter((n) => n != null);
  out.delay = delays.length ? Math.max(...delays) : null;
  out.all = Object.values(out.ended).reduce((a, b) => a + b, 0);
  return out;
}

function warnings(status, trunks) {
  const list = [];
  if (status.draining) list.push("The server is draining: it takes no new calls.");
  for (const e of status.scripts.errors) list.push(`Scripts: ${e.file}:${e.line}: ${e.message}. Generation ${status.scripts.generation} stays in force.`);
  if (status.store.error) list.push(`Records cannot be written: ${status.store.error}`);
  for (const t of trunks) if (t.state !== "up" && t.state !== "unknown") list.push(`Trunk ${t.name} is ${t.state}. ${t.last_error}`);
  if (status.panics > 0) list.push(`${status.panics} faults of the server were caught; the log has them.`);
  return list.map(alertBox);
}

function cards(status, past, trunks) {
  const rate = past.all ? Math.round(100 * (past.ended.answered ?? 0) / past.all) + " %" : "–";
  const up = trunks.filter((t) => t.state === "up").length;
  return h("div", { class: "cards" },
    card(status.calls, status.calls_limit ? `calls up, of ${status.calls_limit}` : "calls up", { href: "#/calls" }),
    card(past.perSecond.toFixed(past.perSecond < 10 ? 1 : 0), "new calls a second"),
    card(rate, "answered, in the last hour", { href: "#/records?since=1h" }),
    card(past.delay == null ? "–" : span(past.delay), "longest p95 until it rang"),
    card(status.registrations, "phones registered", { href: "#/phones" }),
    card(trunks.length ? `${up}/${trunks.length}` : "–", "trunks up", { href: "#/phones", state: up < trunks.length ? "bad" : "" }),
    card(status.scripts.generation, "generation of scripts", { href: "#/scripts", state: status.scripts.errors.length ? "bad" : "" }),
    card(status.banned, "sources banned", { href: "#/phones" }),
    card(span(status.uptime_ms), `up since ${clock(status.started_ms)}`));
}

function signalCards(past) {
  const failed = past.ended.failed ?? 0;
  return h("div", { class: "cards", id: "signals" },
    signals.map(([flag, title]) => {
      const n = past.flags[flag] ?? 0;
      return card(n, title, { href: `#/records?since=1h&flag=${flag}`, state: n ? "bad" : "good" });
    }),
    card(failed, "failed", { href: "#/records?since=1h&state=failed", state: failed ? "bad" : "good" }),
    card(past.flags.script_error ?? 0, "scripts that failed", { href: "#/records?since=1h&flag=script_error", state: past.flags.script_error ? "bad" : "good" }));
}

function charts(drawn, hour) {
  const at = hour.items.map((s) => s.at_ms / 1000);
  const perMinute = 60_000 / hour.step_ms;
  const ended = (state) => hour.items.map((s) => (s.ended[state] ?? 0) * perMinute);
  drawn.calls = chart(drawn.charts, drawn.calls, "Calls up", ["calls"], [at, hour.items.map((s) => s.calls)]);
  drawn.ended = chart(drawn.charts, drawn.ended, "Ended a minute", ["answered", "busy", "noanswer", "failed", "cancelled"],
    [at, ...["answered", "busy", "noanswer", "failed", "cancelled"].map(ended)]);
  drawn.delay = chart(drawn.charts, drawn.delay, "Until it rang, ms", ["half", "19 of 20"],
    [at, hour.items.map((s) => s.pdd_p50_ms), hour.items.map((s) => s.pdd_p95_ms)]);
}
