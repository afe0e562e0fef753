// A recording from the microphone, as a WAV file of 16 bits, which is read as any other file.

import { tag } from "./markup.js";

/** A button that records while it is pressed down once more; `take` is given the file. Null where the browser lets no page record. */
export function recordButton(name, rate, take, complain) {
  if (!navigator.mediaDevices || !window.MediaRecorder) return null;
  const button = tag("button", { type: "button", class: "record", "aria-pressed": "false" }, "Record");
  let recorder = null;
  const show = (on) => {
    button.textContent = on ? "Stop" : "Record";
    button.setAttribute("aria-pressed", String(on));
  };
  button.addEventListener("click", async () => {
    if (recorder) { recorder.stop(); return; }
    try {
      recorder = await begin(async (blob) => {
        recorder = null;
        show(false);
        try { take(new File([await asWav(blob, rate)], `${name}.wav`, { type: "audio/wav" })); } catch { complain("what was recorded cannot be read"); }
      });
      show(true);
    } catch (error) {
      recorder = null;
      complain(`the microphone was not given: ${error.message}`);
    }
  });
  return button;
}

async function begin(done) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const recorder = new MediaRecorder(stream), pieces = [];
  recorder.ondataavailable = (event) => pieces.push(event.data);
  recorder.onstop = () => {
    stream.getTracks().forEach((each) => each.stop());
    done(new Blob(pieces, { type: recorder.mimeType }));
  };
  recorder.start();
  return recorder;
}

/** What was recorded at the rate that the model was trained at, where that is known, so that nothing is resampled twice. */
async function asWav(blob, rate) {
  const context = new OfflineAudioContext(1, 1, rate || 16000);
  const sound = await context.decodeAudioData(await blob.arrayBuffer());
  return wav(sound.getChannelData(0), sound.sampleRate);
}

/** RIFF/WAVE, PCM of 16 bits, one channel; samples from -1 to 1. */
export function wav(samples, rate) {
  const bytes = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, word) => [...word].forEach((each, place) => bytes.setUint8(at + place, each.charCodeAt(0)));
  text(0, "RIFF"); bytes.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true); bytes.setUint16(20, 1, true); bytes.setUint16(22, 1, true);
  bytes.setUint32(24, rate, true); bytes.setUint32(28, 2 * rate, true); bytes.setUint16(32, 2, true); bytes.setUint16(34, 16, true);
  text(36, "data"); bytes.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, place) => bytes.setInt16(44 + 2 * place, Math.round(Math.max(-1, Math.min(1, value)) * 32767), true));
  return bytes.buffer;
}
