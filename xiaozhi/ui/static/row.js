// What the rows under a question and under an answer have in common; each row's own file follows.
const PATHS = {
  copy: "M9 9h12v12H9zM5 15H3V3h12v2",
  done: "M4 12.5l5 5L20 6.5",
  up: "M7 11v9H3v-9zM7 11l4-8c1.7 0 3 1.3 3 3v3h5.5a2 2 0 0 1 2 2.3l-1.2 7a2 2 0 0 1-2 1.7H7",
  down: "M17 13V4h4v9zM17 13l-4 8c-1.7 0-3-1.3-3-3v-3H4.5a2 2 0 0 1-2-2.3l1.2-7a2 2 0 0 1 2-1.7H17",
  again: "M20 11a8 8 0 1 0-2.3 6.3M20 4v7h-7",
  back: "M15 5l-7 7 7 7",
  on: "M9 5l7 7-7 7",
  edit: "M4 20l1-5L16.5 3.5l4 4L9 19zM14 6l4 4",
  read: "M4 9.5v5h3.5L12 19V5L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11",
  stop: "M6.5 6.5h11v11h-11z",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

function button(row, name, label, pressed) {
  const made = document.createElement("button");
  made.type = "button";
  made.title = label;
  made.setAttribute("aria-label", label);
  if (pressed !== undefined) made.setAttribute("aria-pressed", String(pressed));
  made.append(icon(name));
  row.append(made);
  return made;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain http, or no permission: the old way asks nobody.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function copyButton(row, data) {
  const copy = button(row, "copy", data.say_copy);
  copy.onclick = async () => {
    await copied(data.text);
    copy.replaceChildren(icon("done"));
    copy.setAttribute("aria-label", data.say_copied);
    setTimeout(() => {
      copy.replaceChildren(icon("copy"));
      copy.setAttribute("aria-label", data.say_copy);
    }, 1500);
  };
}

function pager(row, data, tell) {
  const back = button(row, "back", data.say_earlier);
  const place = document.createElement("span");
  place.textContent = `${data.version}/${data.of}`;
  row.append(place);
  const on = button(row, "on", data.say_later);
  back.disabled = data.version <= 1;
  on.disabled = data.version >= data.of;
  back.onclick = () => tell("version", data.version - 1);
  on.onclick = () => tell("version", data.version + 1);
}
