
// The row under an answer: copy, thumbs, aloud, once more, earlier versions, and what it took.
function thumbs(row, data, tell) {
  const both = { up: null, down: null };
  for (const name of ["up", "down"]) {
    both[name] = button(row, name, data[`say_${name}`], data.vote === name);
    both[name].onclick = () => {
      const isTakenBack = both[name].getAttribute("aria-pressed") === "true";
      // Seen at once; the server's word follows.
      for (const other of ["up", "down"]) {
        both[other].setAttribute("aria-pressed", String(other === name && !isTakenBack));
      }
      tell("vote", isTakenBack ? "none" : name);
    };
  }
}

function words(row, data) {
  const at = new Date(data.at * 1000);
  const isToday = at.toDateString() === new Date().toDateString();
  const style = isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  const said = document.createElement("span");
  said.className = "words";
  const time = data.at ? at.toLocaleString(data.locale, style) : "";
  said.textContent = [data.model, time, data.cost].filter(Boolean).join(" · ");
  row.append(said);
}

export default function ({ key, parentElement, data, setTriggerValue }) {
  const row = parentElement.querySelector(".row");
  row.replaceChildren();
  if (data.text) {
    copyButton(row, data);
    thumbs(row, data, setTriggerValue);
    readButton(row, key, data);
  }
  if (data.can_again) {
    button(row, "again", data.say_again).onclick = () => setTriggerValue("again", true);
  }
  if (data.of > 1) pager(row, data, setTriggerValue);
  words(row, data);
}
