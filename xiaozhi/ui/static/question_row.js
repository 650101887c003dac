
// The row under a question: copy, edit in its place, earlier versions.
const drafts = new Map(); // what is being typed, by the question's id: a redraw does not lose it
const told = new Map(); // how many refusals have been shown, by the question's id

function named(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

class Editor {
  constructor(row, data, leave) {
    this.id = data.id;
    this.tell = null;
    this.area = document.createElement("textarea");
    this.area.rows = 1;
    this.area.setAttribute("aria-label", data.say_edit);
    this.why = named("p", "why");
    this.why.setAttribute("role", "alert");
    this.cancel = named("button", "cancel", data.say_cancel);
    this.send = named("button", "send", data.say_send);
    this.cancel.type = this.send.type = "button";
    const ways = named("div", "ways");
    ways.append(this.cancel, this.send);
    const box = named("div", "editor");
    box.append(this.area, this.why, ways);
    row.replaceChildren(box);
    this.mayBeEmpty = data.has_more;
    this.area.oninput = () => this.typed();
    this.area.onkeydown = (event) => this.pressed(event);
    this.send.onclick = () => this.sent();
    this.cancel.onclick = () => {
      drafts.delete(this.id);
      leave();
    };
    this.open(drafts.get(this.id) ?? data.text);
  }

  open(words, why = "") {
    this.area.value = words;
    this.why.textContent = why;
    this.area.readOnly = this.cancel.disabled = false;
    this.typed();
  }

  typed() {
    drafts.set(this.id, this.area.value);
    this.send.disabled = !this.mayBeEmpty && !this.area.value.trim();
    this.area.style.height = "auto";
    this.area.style.height = `${this.area.scrollHeight}px`;
  }

  pressed(event) {
    // The key belongs to an input method; Safari says so by its number alone.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      this.cancel.click();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send.click();
    }
  }

  sent() {
    drafts.delete(this.id);
    this.area.readOnly = this.cancel.disabled = this.send.disabled = true;
    this.tell("edit", this.area.value.trim());
  }

  focus() {
    this.area.focus();
    this.area.setSelectionRange(this.area.value.length, this.area.value.length);
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const row = parentElement.querySelector(".row");
  const place = parentElement.getRootNode().host?.closest('[class*="st-key-u_"]');
  if (row.editor?.id !== data.id) row.editor = null;

  function edit() {
    row.editor = new Editor(row, data, leave);
    place?.toggleAttribute("data-editing", true);
    // What was hidden had no height.
    row.editor.typed();
  }

  function leave() {
    row.editor = null;
    draw().focus();
  }

  function draw() {
    place?.toggleAttribute("data-editing", false);
    row.replaceChildren();
    const quiet = named("div", "quiet");
    row.append(quiet);
    if (data.text) copyButton(quiet, data);
    const pencil = button(quiet, "edit", data.say_edit);
    pencil.onclick = () => {
      edit();
      row.editor.tell = setTriggerValue;
      row.editor.focus();
    };
    if (data.of > 1) pager(row, data, setTriggerValue);
    return pencil;
  }

  const isRefused = data.refused > (told.get(data.id) ?? 0);
  told.set(data.id, data.refused);
  if (!row.editor && (isRefused || drafts.has(data.id))) edit();
  if (!row.editor) {
    draw();
    return;
  }
  row.editor.tell = setTriggerValue;
  if (isRefused) {
    row.editor.open(data.draft, data.why);
    row.editor.focus();
  }
}
