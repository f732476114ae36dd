// A call: what became of it, its ladder, its timeline, its quality and its recording.
import { api, h, replace, table, party, span, clock, path, alertBox } from "./ui.js";
import { ladder, axis } from "./ladder.js";
import { waveform } from "./wave.js";

export async function record(root, { id, signal }) {
  replace(root, h("h1", null, "A call"), h("p", null, "Loading…"));
  const r = await api("/cdrs" + path(id), { signal });
  const words = await api("/cdrs" + path(id) + "/explain", { signal }).catch(() => null);
  const detail = h("pre", { hidden: true, "aria-live": "polite" });
  const show = (text) => {
    detail.hidden = false;
    detail.textContent = text;
    detail.scrollIntoView({ block: "nearest" });
  };
  replace(root,
    h("h1", null, `${party(r.from_user, r.from_host, r.from_display)} → ${r.to_user}`),
    h("p", null, `${clock(r.start_ms)}, `, h("b", { class: r.state === "failed" || r.state === "lost" ? "bad" : "" }, r.state),
      r.sip_code && ` (${r.sip_code})`, r.billable_ms > 0 && `, talked ${span(r.billable_ms)}`, r.pdd_ms && `, rang after ${span(r.pdd_ms)}`,
      r.released_by && `, ended by ${r.released_by}`, r.trunk && `, trunk ${r.trunk}`, " ",
      r.flags && h("span", { class: "warn" }, r.flags.split(",").join(" ")),
      r.linked_id && r.linked_id !== r.id && [", came of ", h("a", { href: "#/record" + path(r.linked_id) }, r.linked_id)]),
    r.script_error && alertBox(r.script_error),
    words && inWords(words),
    h("h2", null, "SIP"), ladder(r, show), detail,
    h("h2", null, "On one time axis"), axis(r, show),
    h("h2", null, "Quality"), quality(r.legs),
    r.recording && [h("h2", null, "Recording"), r.recording.split("\n").map((file) => sound(file))],
    h("h2", null, "Timeline"), timeline(r),
    r.vars && [h("h2", null, "Variables of the script"), h("pre", null, JSON.stringify(r.vars, null, 1))],
    h("h2", null, "Record"), table([["Column", (c) => h("code", null, c[0])], ["Value", (c) => c[1]]],
      Object.entries(r).filter(([k, v]) => v !== null && v !== "" && typeof v !== "object").map(([k, v]) => [k, String(v)])));
}

// inWords is what explain says: the story, and what was wrong.
function inWords(words) {
  return h("div", { id: "words" }, h("h2", null, "In words"), h("p", null, words.story.join(" ")),
    words.findings.map((f) => h("div", { class: "alert" }, f.flag && h("b", null, f.flag + ": "), f.text, f.check && h("p", { class: "dim" }, f.check))));
}

function quality(legs) {
  return table([
    ["Leg", (l) => `${l.role} ${l.seq}`], ["With", (l) => l.remote || l.target], ["User agent", (l) => l.user_agent],
    ["Codec", (l) => l.codec], ["SRTP", (l) => l.srtp], ["Code", (l) => l.sip_code, "num"],
    ["In", (l) => l.rx_packets, "num"], ["Out", (l) => l.tx_packets, "num"], ["Lost", (l) => l.lost, "num"],
    ["Jitter", (l) => l.jitter_ms && `${l.jitter_ms.toFixed(1)} ms`, "num"], ["Round trip", (l) => l.rtt_ms && `${l.rtt_ms.toFixed(0)} ms`, "num"],
    ["MOS", (l) => l.mos && h("span", { class: l.mos < 3.1 ? "bad" : l.mos < 3.6 ? "warn" : "good" }, l.mos.toFixed(1)), "num"],
    ["Flags", (l) => l.flags],
  ], legs);
}

function timeline(r) {
  return table([
    ["After", (e) => span(Math.max(0, e.at_ms - r.start_ms)), "num"], ["Leg", (e) => e.leg, "num"], ["Kind", (e) => e.kind],
    ["", (e) => e.text.split("\n")[0]],
  ], r.events, "No timeline was kept ([store] events).");
}

function sound(file) {
  const url = "/api/v1/recordings/" + file.split("/").map(encodeURIComponent).join("/");
  return h("div", null, h("p", null, h("code", null, file)), waveform(url), h("audio", { controls: true, preload: "none", src: url }));
}
