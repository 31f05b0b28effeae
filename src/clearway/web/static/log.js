// A build's log while it grows: folded by step, in its colours, followed unless someone scrolls or pauses.
// A line has its number as its address: /builds/ID?line=123#L123; a step its name: #step-compile%201.
"use strict";
(() => {
  const root = document.querySelector("[data-log]");
  if (!root) return;
  const state = document.querySelector("[data-log-state]");
  const follow = document.querySelector("[data-log-follow]");
  const fold = document.querySelector("[data-log-fold]");
  const MOST = 5000; // lines of one step that are kept on the page
  const steps = new Map();
  const wanted = Number((location.hash.match(/^#(?:.*-)?L(\d+)$/) || [])[1] || new URLSearchParams(location.search).get("line")) || null;
  const named = location.hash.startsWith("#step-") ? decodeURIComponent(location.hash.slice(6)) : null;
  let following = !wanted && !named;
  let waiting = [];
  let lines = 0;
  let first = null;
  let last = null;
  let opened = false;

  function step(name) {
    let found = steps.get(name);
    if (found) return found;
    const box = document.createElement("details");
    box.className = "step-log";
    box.id = `step-${name}`;
    const head = document.createElement("summary");
    head.append(name);
    const count = document.createElement("span");
    count.className = "sub";
    head.append(count);
    const text = document.createElement("pre");
    text.className = "log";
    text.tabIndex = 0;
    text.setAttribute("role", "region");
    text.setAttribute("aria-label", `Log of ${name}`);
    const code = document.createElement("code");
    text.append(code);
    box.append(head, text);
    root.append(box);
    found = { box, count, text, code, number: 0, dropped: 0 };
    steps.set(name, found);
    return found;
  }

  // Colours: the codes that a terminal knows become classes; longer palettes the nearest of the short one.
  const hue = (values) => {
    const most = Math.max(...values);
    const bits = values.reduce((sum, value, at) => sum + (most > 60 && value > most * 0.6 ? 1 << at : 0), 0);
    return bits === 0 ? "c8" : bits === 7 ? "" : `c${bits}`;
  };
  const palette = (n) => {
    if (n < 16) return `c${n}`;
    if (n > 231) return n < 244 ? "c8" : "";
    const k = n - 16;
    return hue([Math.floor(k / 36) * 51, (Math.floor(k / 6) % 6) * 51, (k % 6) * 51]);
  };
  function look(looks, codes) {
    for (let at = 0; at < codes.length; at += 1) {
      const code = codes[at];
      if (code === 38 || code === 48) {
        const kind = codes[at + 1];
        const values = codes.slice(at + 2, at + (kind === 5 ? 3 : 5));
        at += 1 + (kind === 5 ? 1 : kind === 2 ? 3 : 0);
        if (code === 38 && values.length) looks.colour = kind === 2 ? (values.length === 3 ? hue(values) : "") : palette(values[0]);
      } else if (code === 0) { for (const key of Object.keys(looks)) delete looks[key]; }
      else if (code === 1) looks.bold = "bold";
      else if (code === 3) looks.italic = "italic";
      else if (code === 4) looks.underlined = "underlined";
      else if (code === 22) delete looks.bold;
      else if (code === 23) delete looks.italic;
      else if (code === 24) delete looks.underlined;
      else if (code === 39) delete looks.colour;
      else if (code >= 30 && code <= 37) looks.colour = `c${code - 30}`;
      else if (code >= 90 && code <= 97) looks.colour = `c${code - 82}`;
    }
  }
  function paint(target, text) {
    if (!text.includes("\x1b")) { target.append(text); return; }
    const looks = {};
    const piece = (part) => {
      const names = Object.values(looks).filter(Boolean).join(" ");
      if (!part) return;
      if (!names) { target.append(part); return; }
      const span = document.createElement("span");
      span.className = names;
      span.textContent = part;
      target.append(span);
    };
    let at = 0;
    for (const match of text.matchAll(/\x1b\[([0-9;]{0,40})m/g)) {
      piece(text.slice(at, match.index));
      look(looks, match[1].split(";").map(Number));
      at = match.index + match[0].length;
    }
    piece(text.slice(at));
  }

  function add([number, line]) {
    const cut = line.indexOf(" | ");
    const name = cut < 0 ? "log" : line.slice(0, cut);
    const target = step(name);
    const row = document.createElement("span");
    row.className = "line";
    row.id = `L${number}`;
    const link = document.createElement("a");
    link.className = "no";
    link.href = `?line=${number}#L${number}`;
    link.tabIndex = -1;
    link.setAttribute("aria-label", `Line ${number}`);
    link.append(number);
    row.append(link);
    paint(row, (cut < 0 ? line : line.slice(cut + 3)) + "\n");
    target.code.append(row);
    target.number += 1;
    lines = number;
    if (first === null) {
      first = number;
      if (first > 1) page("[data-log-earlier]", Math.max(1, first - 4000));
    }
    if (target.code.childNodes.length > MOST) {
      target.code.firstChild.remove();
      target.dropped += 1;
    }
    target.count.textContent = `${target.number} ${target.number === 1 ? "line" : "lines"}${target.dropped ? `, the last ${MOST} shown` : ""}`;
    if (number === wanted || name === named) show(target, number === wanted ? row : null);
    if (last !== target) {
      if (last && following && !opened) last.box.open = false;
      last = target;
      if (following && !opened) target.box.open = true;
    }
  }

  let shown = false;
  function show(target, row) {
    if (shown) return;
    shown = true;
    target.box.open = true;
    if (row) row.classList.add("wanted");
    requestAnimationFrame(() => (row || target.box).scrollIntoView({ block: row ? "center" : "start" }));
  }

  function page(selector, line) {
    const place = document.querySelector(selector);
    place.hidden = false;
    place.querySelector("a").href = `?line=${line}#L${line}`;
  }

  function flush() {
    const take = waiting;
    waiting = [];
    take.forEach(add);
    if (take.length && following && last) last.text.scrollTop = last.text.scrollHeight;
  }

  function paused() {
    follow.setAttribute("aria-pressed", String(following));
    follow.textContent = following ? "Following" : "Follow";
  }
  follow.addEventListener("click", () => {
    following = !following;
    paused();
    if (following) flush();
  });
  paused();
  fold.addEventListener("click", () => {
    opened = !opened;
    for (const each of steps.values()) each.box.open = opened;
    fold.textContent = opened ? "Fold all steps" : "Open all steps";
  });
  // A step that is named or a line that is here needs no new page.
  window.addEventListener("hashchange", () => {
    const name = decodeURIComponent(location.hash.slice(1));
    const found = document.getElementById(name);
    if (!found || !root.contains(found)) return;
    const box = found.closest("details");
    box.open = true;
    for (const each of root.querySelectorAll(".wanted")) each.classList.remove("wanted");
    if (found !== box) found.classList.add("wanted");
    found.scrollIntoView({ block: "center" });
  });
  root.addEventListener("click", (event) => {
    const link = event.target.closest("a.no");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", link.href);
    for (const each of root.querySelectorAll(".wanted")) each.classList.remove("wanted");
    link.parentElement.classList.add("wanted");
  });

  const source = new EventSource(root.dataset.log + (wanted ? `?line=${wanted}` : ""));
  source.addEventListener("lines", (event) => {
    const told = JSON.parse(event.data);
    told.lines.forEach((line, at) => waiting.push([told.first + at, line]));
    if (following || wanted || named) flush();
    state.textContent = following || !waiting.length ? `${lines} lines, still growing.` : `Paused; ${waiting.length} new lines wait.`;
  });
  source.addEventListener("end", (event) => {
    source.close();
    flush();
    const more = JSON.parse(event.data || "{}").more;
    if (more) page("[data-log-later]", more);
    state.textContent = !lines ? "Nothing was written." : first > 1 || more ? `Lines ${first} to ${lines}${more ? " of more" : ""}.` : `${lines} lines.`;
    follow.hidden = true; // there is nothing left to follow
    if (root.dataset.status !== "failed" || shown) return;
    const failed = steps.get(root.dataset.failed);
    if (!failed) return;
    for (const each of steps.values()) each.box.open = each === failed;
    failed.box.classList.add("failed");
    failed.text.scrollTop = failed.text.scrollHeight;
  });
  source.addEventListener("open", () => { state.textContent = lines ? state.textContent : "Waiting for the first line."; });
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) state.textContent = "The connection was lost; trying again.";
    else state.textContent = "The log cannot be read now. Load the page again.";
  });
})();
