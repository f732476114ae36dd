// Scripts: what is in force, what is wrong with the files, and putting them in force.
import { api, h, replace, table, clock, every, onNews, alertBox } from "./ui.js";

export async function scripts(root, { signal, role }) {
  const told = h("div"), body = h("div");
  const order = (title, body) => h("button", {
    type: "button",
    onclick: async () => {
      try {
        const done = await api("/scripts/reload", { method: "POST", body });
        replace(told, h("div", { class: "alert note", role: "status" },
          `Generation ${done.generation} is in force.` +
          (done.changed.length ? ` Changed: ${done.changed.join(", ")}.` : "") +
          (done.restart.length ? ` Waits for a restart: ${done.restart.join(", ")}.` : "")));
      } catch (e) {
        replace(told, alertBox(e.message));
      }
      draw();
    },
  }, title);
  replace(root, h("h1", null, "Scripts"),
    role === "admin" && h("form", { onsubmit: (e) => e.preventDefault() }, order("Reload", {}), order("Back to the ones before", { back: true })),
    told, body);
  const draw = async () => {
    const st = await api("/scripts", { signal });
    replace(body,
      h("p", null, `Generation ${st.generation}, loaded ${clock(st.loaded_ms)}, from ${st.dir || "what ships with Tandem"}.`),
      st.errors.length > 0 && h("h2", { class: "bad" }, "Not in force, because"),
      st.errors.map(mistake),
      st.warnings.length > 0 && h("h2", null, "Warnings"),
      st.warnings.map(mistake),
      h("h2", null, "Files"), h("ul", null, st.files.map((f) => h("li", null, h("code", null, f)))),
      h("h2", null, "Generations with calls"),
      table([["Generation", (g) => g.id, "num"], ["Calls", (g) => g.calls, "num"]], st.generations));
  };
  await draw();
  const again = every(10_000, signal, draw);
  onNews(["reload", "missed"], signal, again);
}

// mistake shows where something is wrong, with the line itself where the server tells it.
function mistake(e) {
  return h("div", { class: "alert" }, `${e.file}${e.line ? ":" + e.line : ""}: ${e.message}`,
    e.source && h("pre", null, h("mark", null, `${e.line}  ${e.source}`)));
}
