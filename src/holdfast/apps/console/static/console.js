// The keyboard, what is chosen while the list changes, and whether the page is live.
// Everything here has its way without it: links, buttons, forms.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const one = (query) => document.querySelector(query);
  const all = (query) => [...document.querySelectorAll(query)];
  const rows = () => all("[data-rows] tbody tr");
  const boxOf = (row) => row.querySelector("input[name=session]");

  // What is chosen, by id: the list is drawn again under it.
  const chosen = new Set();
  let every = false;
  let at = "";

  function shown() {
    for (const row of rows()) {
      row.classList.toggle("at", row.id === at);
      const box = boxOf(row);
      if (!box) continue;
      box.checked = chosen.has(box.value);
      row.classList.toggle("picked", every || box.checked);
    }
    if (one("#all")) one("#all").checked = every;
    const said = one("#chosen");
    if (said) said.textContent = every ? "all chosen" : chosen.size ? `${chosen.size} chosen` : "";
  }

  // Those that were chosen and are on another stretch, or match no more, go along as they are.
  function along(form) {
    form.querySelectorAll("[data-along]").forEach((field) => field.remove());
    const here = new Set(rows().map((row) => boxOf(row).value));
    for (const id of chosen) {
      if (here.has(id)) continue;
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "session", value: id });
      field.dataset.along = "";
      form.append(field);
    }
  }

  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field.name === "session" && field.type === "checkbox") {
      if (field.checked) chosen.add(field.value);
      else chosen.delete(field.value);
    } else if (field.id === "all") {
      every = field.checked;
    } else return;
    shown();
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id === "act") along(event.target);
  });
  for (const name of ["htmx:afterSwap", "htmx:sseMessage", "htmx:load"]) {
    document.addEventListener(name, shown);
  }

  // What was unfolded stays so when it is drawn again.
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
    !(name === "open" && node instanceof HTMLDetailsElement);

  function move(by) {
    const list = rows();
    if (!list.length) return;
    const now = list.findIndex((row) => row.id === at);
    const next = list[Math.min(Math.max(now + by, 0), list.length - 1)];
    at = next.id;
    shown();
    next.querySelector("a.open")?.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  let went = 0;
  function pressed(event) {
    const key = event.key;
    if (performance.now() < went) {
      went = 0;
      const place = one(`nav a[data-key="${CSS.escape(key)}"]`);
      if (place) return place;
    }
    if (key === "g") return void (went = performance.now() + 1200);
    if (key === "/") return one("[data-search]")?.select() ?? one("[data-search]")?.focus();
    if (key === "?") return void one("#keys").showModal();
    if (key === "j") return void move(1);
    if (key === "k") return void move(-1);
    const row = document.getElementById(at);
    if (key === "x" && row) return boxOf(row);
    return one(`button[data-key="${CSS.escape(key)}"]`);
  }

  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input:not([type=checkbox]), select, textarea, dialog");
    if (event.key === "Escape" && field?.matches("[data-search]")) field.blur();
    if (field || event.ctrlKey || event.metaKey || event.altKey) return;
    const reached = pressed(event);
    if (reached) reached.click();
    if (reached || "/?jkg".includes(event.key)) event.preventDefault();
  });

  // A stream that is lost is said so, until it is back.
  const lost = one("#lost");
  let timer = 0;
  document.addEventListener("htmx:sseError", () => {
    timer ||= setTimeout(() => (lost.hidden = false), 1500);
  });
  document.addEventListener("htmx:sseOpen", () => {
    clearTimeout(timer);
    timer = 0;
    lost.hidden = true;
  });
  shown();
})();
