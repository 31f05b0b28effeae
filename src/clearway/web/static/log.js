// A build's log while it grows: folded by step, followed unless someone scrolls or pauses.
"use strict";
(() => {
  const root = document.querySelector("[data-log]");
  if (!root) return;
  const state = document.querySelector("[data-log-state]");
  const follow = document.querySelector("[data-log-follow]");
  const fold = document.querySelector("[data-log-fold]");
  const MOST = 5000; // lines of one step that are kept on the page
  const steps = new Map();
  let following = true;
  let waiting = [];
  let lines = 0;
  let last = null;
  let opened = false;

  function step(name) {
    let found = steps.get(name);
    if (found) return found;
    const box = document.createElement("details");
    box.className = "step-log";
    const head = document.createElement("summary");
    head.append(name);
    const count = document.createElement("span");
    count.className = "sub";
    head.append(count);
    const text = document.createElement("pre");
    text.className = "log";
    text.tabIndex = 0;
    const code = document.createElement("code");
    text.append(code);
    box.append(head, text);
    root.append(box);
    found = { box, count, text, code, number: 0, dropped: 0 };
    steps.set(name, found);
    return found;
  }

  function add(line) {
    const cut = line.indexOf(" | ");
    const name = cut < 0 ? "log" : line.slice(0, cut);
    const target = step(name);
    target.code.append((cut < 0 ? line : line.slice(cut + 3)) + "\n");
    target.number += 1;
    lines += 1;
    if (target.code.childNodes.length > MOST) {
      target.code.firstChild.remove();
      target.dropped += 1;
    }
    target.count.textContent = `${target.number} ${target.number === 1 ? "line" : "lines"}${target.dropped ? `, the last ${MOST} shown` : ""}`;
    if (last !== target) {
      if (last && following && !opened) last.box.open = false;
      last = target;
      if (following && !opened) target.box.open = true;
    }
  }

  function flush() {
    const take = waiting;
    waiting = [];
    take.forEach(add);
    if (take.length && following && last) last.text.scrollTop = last.text.scrollHeight;
  }

  follow.addEventListener("click", () => {
    following = !following;
    follow.setAttribute("aria-pressed", String(following));
    follow.textContent = following ? "Following" : "Paused: go on";
    if (following) flush();
  });
  fold.addEventListener("click", () => {
    opened = !opened;
    for (const each of steps.values()) each.box.open = opened;
    fold.textContent = opened ? "Fold all steps" : "Open all steps";
  });

  const source = new EventSource(root.dataset.log);
  source.addEventListener("lines", (event) => {
    waiting.push(...JSON.parse(event.data));
    if (following) flush();
    state.textContent = following ? `${lines} lines, still growing.` : `Paused; ${waiting.length} new lines wait.`;
  });
  source.addEventListener("end", () => {
    source.close();
    flush();
    state.textContent = lines ? `${lines} lines.` : "Nothing was written.";
    follow.hidden = true; // there is nothing left to follow
    if (root.dataset.status !== "failed") return;
    // Our own words come last; the step that failed is the one before them.
    const own = [...steps].filter(([name]) => name !== "build" && name !== "log");
    const failed = own.length ? own[own.length - 1][1] : last;
    if (failed) { failed.box.classList.add("failed"); failed.box.open = true; }
  });
  source.addEventListener("open", () => { state.textContent = lines ? state.textContent : "Waiting for the first line."; });
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) state.textContent = "The connection was lost; trying again.";
    else state.textContent = "The log cannot be read now. Load the page again.";
  });
})();
