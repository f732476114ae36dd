// Phones and trunks: who can be reached, and by which way out.
import { api, h, replace, table, span, clock, every, onNews, path } from "./ui.js";

export async function phones(root, { signal, role }) {
  const body = h("div");
  replace(root, h("h1", null, "Phones and trunks"), body);
  const draw = async () => {
    const [trunks, registrations, bans] = await Promise.all(
      ["/trunks", "/registrations", "/bans"].map((p) => api(p, { signal })));
    replace(body,
      h("h2", null, "Trunks"), table([
        ["Trunk", (t) => t.name],
        ["State", (t) => h("span", { class: t.state === "up" ? "good" : t.state === "unknown" ? "" : "bad" }, t.state)],
        ["Calls", (t) => (t.max_calls ? `${t.calls} of ${t.max_calls}` : t.calls), "num"],
        ["Answered", (t) => t.success_rate != null && `${Math.round(100 * t.success_rate)} %`, "num"],
        ["Rings after", (t) => span(t.median_pdd_ms), "num"],
        ["Registration", (t) => t.registration.state],
        ["Hosts", (t) => t.hosts.map((x) => h("div", { class: x.state === "down" ? "bad" : "" }, `${x.host} ${x.state}${x.rtt_ms != null ? ` (${x.rtt_ms} ms)` : ""} ${x.error}`))],
        ["Last error", (t) => t.last_error && `${t.last_error}, ${clock(t.last_error_ms)}`],
      ], trunks.items, "No trunk is configured."),
      h("h2", null, "Phones"), table([
        ["User", (r) => r.user], ["Contact", (r) => r.contact], ["From", (r) => r.source],
        ["NAT", (r) => (r.nat ? "yes" : "")], ["User agent", (r) => r.user_agent], ["Expires in", (r) => span(r.expires * 1000), "num"],
      ], registrations.items, "No phone is registered."),
      h("h2", null, "Banned"), table([
        ["Source", (b) => b.source], ["Failures", (b) => b.failures || "a scanner", "num"], ["Until", (b) => clock(b.until_ms)],
        ["", (b) => role === "admin" && h("button", {
          type: "button",
          onclick: async () => { await api("/bans" + path(b.source), { method: "DELETE" }); draw(); },
        }, "Lift")],
      ], bans.items, "Nobody."));
  };
  await draw();
  const again = every(10_000, signal, draw);
  onNews(["registration", "missed"], signal, again);
}
