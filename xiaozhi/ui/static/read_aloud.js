
// Reads an answer aloud, where the browser has a voice: one at a time, sentence by sentence.
let reading = null; // { key, button, data, rest }
const voices = () => globalThis.speechSynthesis?.getVoices() ?? [];
// A browser would go on reading what is no longer to be seen.
globalThis.addEventListener("pagehide", () => globalThis.speechSynthesis?.cancel());

// The buttons that are on the page. One listener for all of them: one for each redraw of a row would
// never go away, and keep the button that it belongs to.
const readButtons = new Set();
globalThis.speechSynthesis?.addEventListener?.("voiceschanged", () => {
  for (const button of readButtons) button.hidden = voices().length === 0;
});

// The words of a Markdown text, without what only the eye can use.
function spoken(text) {
  return text
    .replace(/^ *(`{3,}|~{3,})[\s\S]*?(?:^ *\1.*$|$(?![\s\S]))/gm, "\n")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^ *\|?[ :|-]*-{3}[ :|-]*$/gm, "")
    .replace(/\|/g, ", ")
    .replace(/^ *(#{1,6}|>|[-*+]|\d+\.) +/gm, "")
    .replace(/[*_`~#$]+/g, "");
}

function sentences(text) {
  // Some voices break off in long texts.
  return (spoken(text).match(/[^.!?。！？；\n]+[.!?。！？；]*/g) ?? [])
    .flatMap((sentence) => sentence.match(/[\s\S]{1,200}/g))
    .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));
}

function languageOf(text, locale) {
  if (/[\u3040-\u30ff]/.test(text)) return "ja-JP";
  if (/[\uac00-\ud7af]/.test(text)) return "ko-KR";
  if (/[\u3400-\u9fff]/.test(text)) return "zh-CN";
  return locale.startsWith("zh") ? "en-US" : navigator.language || locale;
}

function voiceFor(language) {
  const tag = (voice) => voice.lang.replace("_", "-").toLowerCase();
  const wanted = language.toLowerCase();
  const own = voices().filter((voice) => tag(voice).split("-")[0] === wanted.split("-")[0]);
  // One of this machine first: then what is read stays on it.
  own.sort((a, b) => b.localService - a.localService || (tag(b) === wanted) - (tag(a) === wanted));
  return own[0] ?? null;
}

function mark(button, data, isReading) {
  const words = isReading ? data.say_stop : data.say_read;
  button.replaceChildren(icon(isReading ? "stop" : "read"));
  button.title = words;
  button.setAttribute("aria-label", words);
}

function fallSilent() {
  if (!reading) return;
  const { button, data } = reading;
  reading = null;
  speechSynthesis.cancel();
  mark(button, data, false);
}

function readOn(mine) {
  if (reading !== mine) return;
  const sentence = mine.rest.shift();
  if (!sentence || !mine.button.isConnected) {
    fallSilent();
    return;
  }
  // Kept: Chrome forgets one that nobody holds, and its end.
  mine.utterance = new SpeechSynthesisUtterance(sentence);
  mine.utterance.lang = mine.language;
  mine.utterance.voice = voiceFor(mine.language);
  mine.utterance.onend = () => readOn(mine);
  mine.utterance.onerror = () => reading === mine && fallSilent();
  speechSynthesis.speak(mine.utterance);
}

function readButton(row, key, data) {
  if (!globalThis.speechSynthesis) return;
  const made = button(row, "read", data.say_read);
  made.hidden = voices().length === 0;
  for (const other of readButtons) if (!other.isConnected) readButtons.delete(other);
  readButtons.add(made);
  if (reading?.key === key) {
    reading.button = made;
    mark(made, data, true);
  }
  made.onclick = () => {
    const isOwn = reading?.key === key;
    fallSilent();
    if (isOwn) return;
    const language = languageOf(data.text, data.locale);
    reading = { key, button: made, data, language, rest: sentences(data.text) };
    mark(made, data, true);
    readOn(reading);
  };
}
