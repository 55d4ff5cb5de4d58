(() => {
  "use strict";
  const PAGE = 100;
  const live = document.getElementById("live");
  const say = (text) => { live.textContent = text; };
  const order = (a, b) => {
    // What is missing stays below, whichever way is up.
    if (a === null || b === null) return a === b ? 0 : a === null ? Infinity : -Infinity;
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  };
  const sorted = (items, key, sign) => items.slice().sort((a, b) => {
    const way = order(key(a), key(b));
    return Number.isFinite(way) ? sign * way : way > 0 ? 1 : -1;
  });
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  // A button in a head cell that calls `sort(sign)`: up, then down.
  const sortable = (head, title, sort) => {
    const button = make("button", "", { type: "button" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      sort(sign);
      say(`Sorted by ${title}, ${sign > 0 ? "ascending" : "descending"}`);
    });
  };
  const filter = (label, change) => {
    const box = make("label", label);
    const input = make("input", "", { type: "search" });
    input.addEventListener("input", () => change(input.value.toLowerCase().split(/\s+/).filter(Boolean)));
    box.append(input);
    return box;
  };

  const keyOf = (cell) => {
    if ("value" in cell.dataset) return Number(cell.dataset.value);
    return cell.textContent === "-" ? null : cell.textContent;
  };
  for (const region of document.querySelectorAll("[data-sortable]")) {
    const table = region.querySelector("table");
    const body = table.tBodies[0];
    const rows = [...body.rows];
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      if (head.textContent) sortable(head, head.textContent, (sign) => {
        body.append(...sorted([...body.rows], (row) => keyOf(row.cells[place]), sign));
      });
    });
    if (rows.length > 5) {
      const tools = make("div", "", { class: "tools" });
      tools.append(filter("Filter rows", (words) => {
        let shown = 0;
        for (const row of rows) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every((word) => text.includes(word));
          shown += !row.hidden;
        }
        say(`${shown} of ${rows.length} rows`);
      }));
      region.before(tools);
    }
  }

  // Two panels of every picture of a task, one over the other, with one edge between them for all.
  for (const gallery of document.querySelectorAll(".gallery")) {
    const figures = [...gallery.querySelectorAll("figure")].map((figure) => {
      const list = figure.querySelector(".panels");
      const panels = [...list.querySelectorAll("li")].map((item) => ({
        image: item.querySelector("img"), title: item.querySelector("span").textContent, text: item.textContent.trim(),
      }));
      const split = make("div", "", { class: "split" });
      const under = make("img"), over = make("img", "", { class: "over" });
      const sides = make("p", "", { class: "sides" });
      split.append(under, over, make("span", "", { class: "edge" }));
      list.before(split, sides);
      const all = make("details");
      all.append(make("summary", "All side by side"));
      list.before(all);
      all.append(list);
      return { panels, under, over, split, sides };
    });
    const titles = figures[0].panels.map((panel) => panel.title);
    const choice = (label, chosen) => {
      const select = make("select");
      titles.forEach((title, place) => select.append(make("option", title, { value: place })));
      select.value = chosen;
      select.addEventListener("change", () => {
        lay();
        say(`${titles[left.value]} to the left, ${titles[right.value]} to the right`);
      });
      const box = make("label", label);
      box.append(select);
      tools.append(box);
      return select;
    };
    const tools = make("div", "", { class: "tools" });
    const left = choice("Left", gallery.dataset.left), right = choice("Right", gallery.dataset.right);
    const edge = make("input", "", { type: "range", min: 0, max: 100, step: 1 });
    const box = make("label", "Edge");
    box.append(edge);
    tools.append(box);
    gallery.querySelector("figure").before(tools);
    const move = (share) => {
      edge.value = Math.round(100 * Math.min(1, Math.max(0, share)));
      gallery.style.setProperty("--at", `${edge.value}%`);
      edge.setAttribute("aria-valuetext", `${edge.value} % ${titles[left.value]}, ${100 - edge.value} % ${titles[right.value]}`);
    };
    const lay = () => {
      for (const { panels, under, over, sides } of figures) {
        for (const [image, panel] of [[over, panels[left.value]], [under, panels[right.value]]]) {
          for (const name of ["src", "width", "height", "alt"]) image.setAttribute(name, panel.image.getAttribute(name));
        }
        sides.replaceChildren(make("span", panels[left.value].text), make("span", panels[right.value].text));
      }
      move(edge.value / 100);
    };
    edge.addEventListener("input", () => move(edge.value / 100));
    for (const { split } of figures) {
      const follow = (event) => {
        const place = split.getBoundingClientRect();
        move((event.clientX - place.left) / place.width);
      };
      split.addEventListener("pointerdown", (event) => { split.setPointerCapture(event.pointerId); follow(event); });
      split.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
    }
    edge.value = 50;
    lay();
  }

  const data = JSON.parse(document.getElementById("runs-data").textContent);
  const count = data.links.length;
  const columns = data.columns.map((column) => ({
    title: column.title,
    key: column.numbers ? (row) => column.numbers[row] : (row) => {
      const text = column.texts[column.rows[row]];
      return text === data.missing ? null : text;
    },
  }));
  const texts = Array.from({ length: count }, (_, row) =>
    columns.map((column) => column.key(row) ?? data.missing).join(" ").toLowerCase());
  const all = texts.map((_, row) => row);
  let ordered = all, words = [], page = 0;

  const place = document.getElementById("runs");
  const tools = make("div", "", { class: "tools" });
  const previous = make("button", "Previous", { type: "button" });
  const next = make("button", "Next", { type: "button" });
  const status = make("span", "", { role: "status" });
  const region = make("div", "", { class: "scroll", role: "region", tabindex: "0", "aria-label": "records" });
  const table = make("table");
  const line = table.createTHead().insertRow();
  const body = table.createTBody();
  const draw = () => {
    const found = ordered.filter((row) => words.every((word) => texts[row].includes(word)));
    page = Math.max(0, Math.min(page, Math.ceil(found.length / PAGE) - 1));
    const shown = found.slice(page * PAGE, (page + 1) * PAGE);
    body.replaceChildren(...shown.map((row) => {
      const tr = make("tr");
      for (const column of columns) tr.append(make("td", String(column.key(row) ?? data.missing)));
      const cell = make("td");
      if (data.links[row]) {
        const name = columns.slice(0, 3).map((column) => column.key(row) ?? data.missing).join(", ");
        cell.append(make("a", "record", { href: data.links[row], "aria-label": `record of ${name}` }));
      }
      tr.append(cell);
      return tr;
    }));
    const first = found.length ? page * PAGE + 1 : 0;
    status.textContent = `Rows ${first} to ${page * PAGE + shown.length} of ${found.length}`;
    previous.disabled = page === 0;
    next.disabled = (page + 1) * PAGE >= found.length;
  };
  for (const column of columns) {
    const head = make("th", column.title, { scope: "col" });
    line.append(head);
    sortable(head, column.title, (sign) => { ordered = sorted(all, column.key, sign); page = 0; draw(); });
  }
  line.append(make("th", "File", { scope: "col" }));
  previous.addEventListener("click", () => { page -= 1; draw(); });
  next.addEventListener("click", () => { page += 1; draw(); });
  tools.append(filter("Filter records", (found) => { words = found; page = 0; draw(); }), previous, next, status);
  region.append(table);
  place.append(tools, region);
  draw();
})();
