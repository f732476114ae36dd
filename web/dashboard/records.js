// Records: a search whose address can be shared.
import { api, h, replace, table, party, span, clock, path } from "./ui.js";

const states = ["", "open", "answered", "busy", "noanswer", "failed", "cancelled", "lost"];
const flags = ["", "silent", "one_way", "no_ack", "slow_setup", "media_timeout", "transcoded", "retransmits", "script_error"];
const fields = [
  ["since", "Since", "24h or 2026-11-01"], ["until", "Until", ""], ["from", "From", "+44*"], ["to", "To", ""],
  ["user", "User", ""], ["trunk", "Trunk", ""], ["state", "State", states], ["flag", "Flag", flags], ["min_duration", "At least", "30s"],
];

export async function records(root, { query, signal }) {
  const form = h("form", {
    role: "search",
    onsubmit: (e) => {
      e.preventDefault();
      location.hash = address(new FormData(form));
    },
  }, fields.map(([name, title, kind]) => h("label", null, title, Array.isArray(kind)
    ? h("select", { name }, kind.map((v) => h("option", { value: v, selected: v === query.get(name) }, v || "any")))
    : h("input", { name, placeholder: kind, value: query.get(name) ?? "", size: 12 }))), h("button", null, "Search"));
  replace(root, h("h1", null, "Records"), form, h("p", null, "Searching…"));
  const asked = new URLSearchParams([...query].filter(([, v]) => v));
  const page = await api("/cdrs?" + asked, { signal });
  const rest = new URLSearchParams(asked);
  if (page.next) rest.set("after", page.next);
  replace(root, h("h1", null, "Records"), form,
    page.note && h("p", { class: "dim" }, page.note),
    table([
      ["Start", (c) => h("a", { href: (c.state === "open" ? "#/calls" : "#/record") + path(c.id) }, clock(c.start_ms))],
      ["From", (c) => party(c.from_user, c.from_host, c.from_display)],
      ["To", (c) => c.to_user],
      ["User", (c) => c.auth_user],
      ["Trunk", (c) => c.trunk],
      ["State", (c) => h("span", { class: c.state === "failed" || c.state === "lost" ? "bad" : "" }, c.state)],
      ["Code", (c) => c.sip_code, "num"],
      ["Talked", (c) => c.billable_ms > 0 && span(c.billable_ms), "num"],
      ["Rang after", (c) => span(c.pdd_ms), "num"],
      ["Ended by", (c) => c.released_by],
      ["Flags", (c) => h("span", { class: "warn" }, c.flags.split(",").join(" "))],
    ], page.items, "No record fits."),
    h("p", null, page.next && h("a", { href: "#/records?" + rest }, "Older"), " ",
      h("a", { href: "#", onclick: (e) => { e.preventDefault(); save(page.items); } }, "These as CSV")));
}

function address(data) {
  const q = new URLSearchParams([...data].filter(([, v]) => v));
  return "#/records?" + q;
}

// save lets the browser keep rows as a CSV file. A cell that a spreadsheet would take for a
// formula gets a quote before it: callers choose their names.
function save(rows) {
  if (rows.length === 0) return;
  const columns = Object.keys(rows[0]);
  const cell = (v) => {
    let text = v == null ? "" : typeof v === "object" ? JSON.stringify(v) : String(v);
    if (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text))) text = "'" + text;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const text = [columns, ...rows.map((r) => columns.map((c) => r[c]))].map((r) => r.map(cell).join(",")).join("\r\n") + "\r\n";
  const a = h("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "records.csv" });
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 1000);
}
