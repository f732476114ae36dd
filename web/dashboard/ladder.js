// The ladder of a call's SIP messages, and everything that happened on one time axis.
import { h, svg, span } from "./ui.js";

const rowHeight = 24, top = 46, timeWidth = 76, laneWidth = 230;

// parse reads a line of kind sip, as docs/records.md describes it.
export function parse(text) {
  const [line, ...rest] = text.split("\n");
  const m = /^(sent|received) (.+?), CSeq (\d+) ([^,\s]+)(.*)$/.exec(line);
  if (!m) return null;
  const code = /^(\d{3}) (.*)$/.exec(m[2]);
  return {
    sent: m[1] === "sent", method: m[4], cseq: Number(m[3]), code: code ? Number(code[1]) : 0,
    title: code ? `${code[1]} ${code[2]}` : m[4], again: /, again(,|$)/.test(m[5]), sdp: / SDP /.test(m[5]), line, full: rest.join("\n"),
  };
}

// ladder draws an arrow for each message between Tandem and the leg it belongs to. The caller
// stands left of Tandem, all others right. show is called with what a click asks for.
export function ladder(record, show) {
  const messages = record.events.filter((e) => e.kind === "sip" && e.leg).map((e) => ({ ...parse(e.text), leg: e.leg, at: e.at_ms }))
    .filter((m) => m.title);
  if (messages.length === 0) return h("p", { class: "dim" }, "No messages were kept.");
  const legs = [...new Set(messages.map((m) => m.leg))].sort((a, b) => a - b);
  const columns = legs.includes(1) ? [1, 0, ...legs.filter((l) => l !== 1)] : [0, ...legs]; // 0 is us
  const x = (leg) => timeWidth + 70 + columns.indexOf(leg) * laneWidth;
  const width = timeWidth + 140 + (columns.length - 1) * laneWidth, height = top + messages.length * rowHeight + 14;
  const drawing = svg("svg", { class: "ladder", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "SIP messages" });
  for (const leg of columns) {
    const about = record.legs.find((l) => l.seq === leg);
    const name = leg === 0 ? "Tandem" : `${about?.role === "a" ? "caller" : "leg " + leg}`;
    drawing.append(
      svg("text", { x: x(leg), y: 16, "text-anchor": "middle", "font-weight": 600 }, name),
      svg("text", { x: x(leg), y: 32, "text-anchor": "middle", class: "dim" }, leg === 0 ? "" : short(about?.remote || about?.target || "", 30)),
      svg("line", { class: "rail", x1: x(leg), x2: x(leg), y1: top - 8, y2: height }));
  }
  messages.forEach((m, i) => drawing.append(arrow(m, i, x, record.start_ms, width, show)));
  return h("div", { class: "scroll" }, drawing);
}

const short = (text, n) => (text.length > n ? text.slice(0, n - 1) + "…" : text);

function arrow(m, i, x, start, width, show) {
  const y = top + (i + 0.7) * rowHeight;
  const [from, to] = m.sent ? [x(0), x(m.leg)] : [x(m.leg), x(0)];
  const way = Math.sign(to - from);
  const kind = "message" + (m.again ? " again" : "") + (m.code >= 300 ? " refused" : "");
  const open = () => show(m.full || `${m.line}\n\nThe messages themselves are kept with [store] trace = true.`);
  return svg("g", {
    class: kind, tabindex: 0, role: "button", "aria-label": `${span(m.at - start)}: ${m.line}`,
    "data-title": m.title, "data-leg": m.leg, "data-sent": m.sent,
    onclick: open, onkeydown: (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); open(); } },
  },
  svg("rect", { x: 0.5, y: y - rowHeight * 0.7, width: width - 1, height: rowHeight - 2, rx: 3 }),
  svg("text", { x: 4, y, class: "dim" }, span(Math.max(0, m.at - start))),
  svg("line", { x1: from, y1: y + 2, x2: to - way * 6, y2: y + 2 }),
  svg("path", { d: `M${to},${y + 2} l${-way * 8},-4 v8 z` }),
  svg("text", { x: (from + to) / 2, y: y - 3, "text-anchor": "middle" }, short(m.title + (m.sdp ? " (SDP)" : "") + (m.again ? " again" : ""), 32)));
}

const kinds = ["sip", "script", "dtmf", "prompt", "media", "http", "transfer"];

// axis draws each event as a dot at its time, a lane for each kind.
export function axis(record, show) {
  const lanes = kinds.filter((k) => record.events.some((e) => e.kind === k));
  if (lanes.length === 0) return h("p", { class: "dim" }, "Nothing was kept.");
  const end = Math.max(record.end_ms ?? 0, ...record.events.map((e) => e.at_ms), record.start_ms + 1);
  const left = 76, width = 1100, height = 34 + lanes.length * 26;
  const x = (ms) => left + (width - left - 20) * (Math.max(record.start_ms, ms) - record.start_ms) / (end - record.start_ms);
  const drawing = svg("svg", { class: "axis", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Events by time" });
  for (let i = 0; i <= 5; i++) {
    const ms = record.start_ms + (end - record.start_ms) * i / 5;
    drawing.append(svg("line", { class: "rail", x1: x(ms), x2: x(ms), y1: 4, y2: height - 22 }),
      svg("text", { x: x(ms), y: height - 6, "text-anchor": i === 0 ? "start" : i === 5 ? "end" : "middle", class: "dim" }, span(Math.round(ms - record.start_ms))));
  }
  lanes.forEach((kind, i) => {
    const y = 18 + i * 26;
    drawing.append(svg("text", { x: 4, y: y + 4 }, kind), svg("line", { class: "rail", x1: left, x2: width - 20, y1: y, y2: y }));
    for (const e of record.events) {
      if (e.kind !== kind) continue;
      const text = `${span(Math.max(0, e.at_ms - record.start_ms))}${e.leg ? `, leg ${e.leg}` : ""}: ${e.text}`;
      drawing.append(svg("circle", { class: "dot " + kind, cx: x(e.at_ms), cy: y, r: 5, onclick: () => show(text) }, svg("title", null, text.split("\n")[0])));
    }
  });
  return h("div", { class: "scroll" }, drawing);
}
