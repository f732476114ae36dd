// The waveform of a recording, drawn when it is asked for: a file may be long.
import { h, svg } from "./ui.js";

const bars = 300, longest = 64 << 20;

export function waveform(url) {
  const box = h("div");
  const button = h("button", {
    type: "button",
    onclick: async () => {
      button.disabled = true;
      try {
        box.replaceChildren(draw(await peaks(url)));
      } catch (e) {
        box.replaceChildren(h("p", { class: "dim" }, `No waveform: ${e.message}`));
      }
    },
  }, "Draw the waveform");
  box.append(button);
  return box;
}

// peaks are the loudest samples, 0 to 1, of equal parts of the file, all channels together.
async function peaks(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(answer.status === 404 ? "the file is not there any more" : answer.statusText);
  if (Number(answer.headers.get("Content-Length")) > longest) throw new Error("the file is too long");
  const audio = await new OfflineAudioContext(1, 1, 8000).decodeAudioData(await answer.arrayBuffer());
  const out = new Array(bars).fill(0);
  for (let c = 0; c < audio.numberOfChannels; c++) {
    const samples = audio.getChannelData(c), step = samples.length / bars;
    for (let i = 0; i < samples.length; i++) {
      const bar = Math.min(bars - 1, Math.floor(i / step));
      out[bar] = Math.max(out[bar], Math.abs(samples[i]));
    }
  }
  return out;
}

function draw(list) {
  return svg("svg", { class: "wave", viewBox: `0 0 ${bars} 60`, preserveAspectRatio: "none", role: "img", "aria-label": "Waveform" },
    list.map((p, i) => svg("rect", { x: i, y: 30 - 30 * p, width: 0.8, height: Math.max(0.5, 60 * p) })));
}
