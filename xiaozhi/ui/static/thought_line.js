// The line above an answer that says for how long the model has thought; it opens and closes what
// that was. Its seconds go on by themselves.
function time(data, seconds) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return data.say_seconds.replace("{seconds}", whole);
  return data.say_minutes
    .replace("{minutes}", Math.floor(whole / 60))
    .replace("{seconds}", whole % 60);
}

export default function ({ parentElement, data, setTriggerValue }) {
  const line = parentElement.querySelector("button");
  const words = document.createElement("span");
  const began = performance.now() - data.seconds * 1000;
  const say = () => {
    const seconds = data.goes_on ? (performance.now() - began) / 1000 : data.seconds;
    words.textContent = data.say.replace("{time}", time(data, seconds));
  };
  say();
  line.replaceChildren(words, icon("on"));
  line.classList.toggle("goes_on", data.goes_on);
  line.setAttribute("aria-expanded", String(data.is_open));
  line.onclick = () => {
    const isOpen = line.getAttribute("aria-expanded") !== "true";
    // Seen at once; what it opens follows.
    line.setAttribute("aria-expanded", String(isOpen));
    setTriggerValue("open", isOpen ? "yes" : "no");
  };
  clearInterval(line.ticking);
  if (data.goes_on) line.ticking = setInterval(say, 1000);
  return () => clearInterval(line.ticking);
}
