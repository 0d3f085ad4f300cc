"use strict";
(() => {
  const status = document.getElementById("status");
  const say = (text) => { status.textContent = text; };

  const collator = new Intl.Collator("en", { numeric: true });
  const compare = { text: (a, b) => collator.compare(a, b), number: (a, b) => a - b };
  const parse = { text: (value) => value, number: Number };

  // Rows without a value stay last, whichever way the others are sorted.
  function sorted(rows, column, kind, sign) {
    const value = (row) => row.cells[column].dataset.value;
    const known = rows.filter((row) => value(row) !== undefined);
    const unknown = rows.filter((row) => value(row) === undefined);
    known.sort((a, b) => sign * compare[kind](parse[kind](value(a)), parse[kind](value(b))));
    return [...known, ...unknown];
  }

  function makeSortable(table) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const headings = [...table.tHead.rows[0].cells];
    const next = { none: "ascending", ascending: "descending", descending: "none" };
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const order = next[heading.getAttribute("aria-sort") ?? "none"];
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        const name = heading.querySelector(".name").textContent;
        if (order === "none") {
          body.append(...original);
          say("Original order");
          return;
        }
        heading.setAttribute("aria-sort", order);
        body.append(...sorted(original, column, heading.dataset.kind, order === "ascending" ? 1 : -1));
        say(`Sorted by ${name}, ${order}`);
      });
    });
  }

  function makeFilter(table, input, count) {
    const rows = [...table.tBodies[0].rows];
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      const shown = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
      count.textContent = input.value.trim() ? shown : "";
      say(`${shown} shown`);
    });
  }

  function makeChooser(table, choices) {
    const names = [...table.tHead.rows[0].cells].map((heading) => heading.querySelector(".name").textContent);
    names.slice(1).forEach((name, index) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      Object.assign(box, { type: "checkbox", checked: true, autocomplete: "off" });
      box.addEventListener("change", () => {
        for (const row of table.rows) row.cells[index + 1].hidden = !box.checked;
        say(`${name} ${box.checked ? "shown" : "hidden"}`);
      });
      label.append(box, ` ${name}`);
      choices.append(label);
    });
  }

  // A tap focuses a light in every browser, a second tap or Escape closes what it tells.
  for (const lamp of document.querySelectorAll(".lamp")) {
    const light = lamp.querySelector("button");
    const close = () => lamp.classList.add("closed");
    const open = () => lamp.classList.remove("closed");
    let wasOpen = false;
    light.addEventListener("pointerdown", () => { wasOpen = document.activeElement === light && !lamp.classList.contains("closed"); });
    light.addEventListener("click", () => { light.focus(); if (wasOpen) close(); else open(); wasOpen = false; });
    light.addEventListener("focus", open);
    lamp.addEventListener("mouseenter", open);
    lamp.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  }

  for (const section of document.querySelectorAll("[data-sortable]")) {
    const table = section.querySelector("table");
    const tools = section.querySelector(".tools");
    tools.hidden = false;
    makeChooser(table, tools.querySelector("fieldset"));
    makeFilter(table, tools.querySelector("input[type=search]"), tools.querySelector(".count"));
    makeSortable(table);
  }
})();
