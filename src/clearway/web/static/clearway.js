// What moves on a page: parts that are fetched again, relative times, the theme, and the keyboard.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const DAY = 86400;

  // ── times ─────────────────────────────────────────────────────────────
  const short = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < 5) return "";
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < DAY) return `${Math.floor(s / 3600)} h`;
    return `${Math.floor(s / DAY)} d`;
  };
  const since = (past) => {
    if (past < 0) return short(-past) ? `in ${short(-past)}` : "now";
    return short(past) ? `${short(past)} ago` : "just now";
  };
  const date = { day: "numeric", month: "short", year: "numeric" };
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const clock = new Intl.DateTimeFormat(undefined, time);
  const day = new Intl.DateTimeFormat(undefined, date);
  const minute = new Intl.DateTimeFormat(undefined, { weekday: "short", ...date, hour: time.hour, minute: time.minute, hourCycle: "h23", timeZoneName: "short" });
  const full = new Intl.DateTimeFormat(undefined, { ...date, ...time, timeZoneName: "short" });
  const zone = full.formatToParts(new Date()).find((part) => part.type === "timeZoneName")?.value || "UTC";
  function tell(root = document) {
    const now = Date.now();
    for (const each of all("time[data-when]", root)) {
      const at = new Date(each.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const past = (now - at) / 1000;
      const how = each.dataset.when;
      let text;
      if (how === "clock") text = past > DAY ? `${day.format(at)}, ${clock.format(at)}` : clock.format(at);
      else if (how === "day") text = day.format(at);
      else if (how === "full") text = full.format(at);
      else if (how === "both") text = `${full.format(at)} (${since(past)})`;
      else if (how === "minute") text = minute.format(at);
      else if (how === "coming") text = `${minute.format(at)} (${since(past)})`;
      else if (past > 30 * DAY) text = day.format(at);
      else text = since(past);
      if (each.textContent !== text) each.textContent = text;
      if (!each.title) each.title = full.format(at);
    }
    for (const each of all("[data-zone]", root)) each.textContent = zone;
  }
  tell();
  setInterval(tell, 5000);

  // ── parts that are fetched again ──────────────────────────────────────
  const body = document.body;
  const lost = $("#lost");
  const open = new Map();
  let said = $("[data-say]")?.dataset.say;
  let failures = 0;
  const say = () => {
    const now = $("[data-say]")?.dataset.say;
    if (now && now !== said) $("#said").textContent = said = now;
  };
  body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.matches("[data-poll]") && document.hidden) event.preventDefault();
  });
  body.addEventListener("htmx:configRequest", (event) => {
    const seen = event.detail.elt.dataset.seen;
    if (seen) event.detail.headers["X-Clearway-Seen"] = seen;
  });
  body.addEventListener("htmx:beforeSwap", (event) => {
    // Someone who selects text or has the keyboard inside a moving part keeps it for this round.
    const part = event.detail.target;
    for (const each of all("details[id]")) open.set(each.id, each.open);
    part.dataset.focus = part.contains(document.activeElement) ? cssPath(document.activeElement) : "";
  });
  body.addEventListener("htmx:afterRequest", (event) => {
    const { xhr, elt, successful } = event.detail;
    if (!elt.matches("[data-poll]")) return;
    const mark = xhr.getResponseHeader("X-Clearway-Seen");
    if (mark) elt.dataset.seen = mark;
    failures = successful ? 0 : failures + 1;
    if (xhr.status === 401) lost.textContent = "Your session has ended. Load the page again to sign in.";
    else if (failures > 1) lost.textContent = "No answer from Clearway. What you see may be old; trying again.";
    lost.hidden = !(xhr.status === 401 || failures > 1);
  });
  body.addEventListener("htmx:afterSettle", (event) => {
    for (const each of all("details[id]")) if (open.get(each.id)) each.open = true;
    const wanted = event.detail.target?.dataset?.focus;
    if (wanted) { try { $(wanted)?.focus({ preventScroll: true }); } catch { /* it is gone */ } }
    tell();
    say();
    document.dispatchEvent(new CustomEvent("clearway:settled"));
  });
  function cssPath(element) {
    if (element.id) return `#${CSS.escape(element.id)}`;
    const href = element.getAttribute("href");
    return href ? `#live a[href="${CSS.escape(href)}"]` : "";
  }

  // ── theme, menu, small buttons ────────────────────────────────────────
  function otherTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("clearway-theme", root.dataset.theme); } catch { /* for this page only, then */ }
    document.dispatchEvent(new CustomEvent("clearway:theme"));
  }
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-toggle]")) otherTheme();
    if (event.target.closest("[data-back]")) history.back();
    const menu = event.target.closest("[data-menu]");
    if (menu) menu.setAttribute("aria-expanded", String($(".top").classList.toggle("open")));
    const more = $(".more-nav[open]");
    if (more && !more.contains(event.target)) more.open = false;
    const copy = event.target.closest("[data-copy]");
    if (copy) copied(copy);
  });
  async function copied(button) {
    const text = button.dataset.copy;
    let done = true;
    try { await navigator.clipboard.writeText(text); } catch { done = false; }
    $("#said").textContent = done ? "Copied." : "The browser does not let pages copy; the whole text is in the tooltip.";
    button.classList.toggle("done", done);
    if (!done) button.title = text;
    setTimeout(() => button.classList.remove("done"), 1500);
  }
  // Whatever is selected on a page and kept in the address is one change away, without a button.
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-go]")) event.target.form.requestSubmit();
  });
  document.addEventListener("submit", (event) => {
    // Twice pressed is once sent; a page that comes back from the browser's memory may send again.
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => all("form[data-sent]").forEach((form) => delete form.dataset.sent));

  // ── keyboard ──────────────────────────────────────────────────────────
  const places = { o: "/", a: "/approvals", p: "/promotions", r: "/releases", b: "/builds", i: "/incidents", m: "/figures", l: "/audit", e: "/environments", s: "/repositories", k: "/registries", f: "/configuration", c: "/calendar", u: "/people" };
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const more = $(".more-nav[open]");
      if (more) { more.open = false; $("summary", more).focus(); }
      if ($(".top.open")) { $(".top").classList.remove("open"); $("[data-menu]").setAttribute("aria-expanded", "false"); $("[data-menu]").focus(); }
    }
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !$("#keys")) return;
    const soon = Date.now() - going < 1200;
    going = 0;
    if (soon && places[event.key]) location.assign(places[event.key]);
    else if (event.key === "g") going = Date.now();
    else if (event.key === "?") $("#keys").showModal();
    else if (event.key === "t") otherTheme();
    else if (event.key === "/" && $("[data-search]")) { event.preventDefault(); $("[data-search]").focus(); }
  });
})();
