// The canary's charts: new version against the fresh copy of the old one, while the rollout moves.
"use strict";
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const units = {
    share: (v) => (v == null ? "–" : `${(v * 100).toFixed(1)} %`),
    seconds: (v) => (v == null ? "–" : v >= 1 ? `${v.toFixed(2)} s` : `${Number((v * 1000).toPrecision(3))} ms`),
    bytes: (v) => (v == null ? "–" : v >= 1e6 ? `${(v / 1e6).toFixed(1)} MB` : v >= 1e3 ? `${(v / 1e3).toFixed(1)} kB` : `${v.toFixed(0)} B`),
    rate: (v) => (v == null ? "–" : v.toPrecision(3)),
    weight: (v) => (v == null ? "–" : `${v} %`),
  };
  const clock = (t) => new Date(t * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const zone = new Intl.DateTimeFormat([], { timeZoneName: "short" }).formatToParts(new Date()).find((part) => part.type === "timeZoneName")?.value || "UTC";
  const last = (values) => { for (let i = values.length - 1; i >= 0; i -= 1) if (values[i] != null) return values[i]; return null; };
  const titles = { share: "share of requests so far", seconds: "median so far, in seconds", bytes: "median so far, in bytes", rate: "rate so far" };

  class Charts {
    constructor(root) {
      this.root = root;
      this.made = [];
      this.look();
    }

    async look() {
      if (!this.root.isConnected) return;
      let next = 1000;
      if (!document.hidden) {
        try {
          const answer = await fetch(this.root.dataset.series, { headers: { Accept: "application/json" } });
          if (answer.ok) {
            this.data = await answer.json();
            this.draw();
            if (!this.data.active) next = 0;
          } else if (answer.status < 500) next = 0;
        } catch { next = 3000; }
      }
      if (next) setTimeout(() => this.look(), next);
    }

    draw() {
      const { at, metrics, moves } = this.data;
      if (!at.length) {
        if (!this.root.childElementCount) this.root.innerHTML = '<p class="hint">The charts begin with the first measurement.</p>';
        return;
      }
      if (!this.made.length) {
        this.root.replaceChildren();
        for (const metric of metrics) this.made.push(this.make(metric.name, metric.unit, [
          { label: "New version", stroke: "--chart-canary", width: 2.5 },
          { label: "Baseline", stroke: "--chart-baseline", width: 2, dash: [6, 4] },
        ], `${metric.name}: ${titles[metric.unit] || "median so far"}`));
        this.made.push(this.make("weight", "weight", [
          { label: "Traffic to the new version", stroke: "--chart-canary", width: 2, paths: uPlot.paths.stepped({ align: 1 }) },
        ], "Traffic to the new version", [0, 100]));
      }
      metrics.forEach((metric, index) => this.made[index].setData([at, metric.canary, metric.baseline]));
      // The traffic stays as it was moved until now, or until the end.
      const now = this.data.active ? Date.now() / 1000 : moves.at[moves.at.length - 1];
      this.made[metrics.length].setData([[...moves.at, now], [...moves.weight, moves.weight[moves.weight.length - 1]]]);
      this.tell();
    }

    // The same in words and as a table, for whoever does not see the lines.
    tell() {
      const { at, metrics, moves, looks } = this.data;
      metrics.forEach((metric, index) => {
        const show = units[metric.unit] || units.rate;
        this.made[index].root.parentElement.setAttribute("aria-label", `${metric.name}: new version ${show(last(metric.canary))}, baseline ${show(last(metric.baseline))}, ${at.length} measurements, ${looks.length} looks of the judge`);
      });
      this.made[metrics.length].root.parentElement.setAttribute("aria-label", `Traffic to the new version: ${moves.weight.map((w) => `${w} %`).join(", then ")}`);
      if (this.table && !this.table.open) return;
      if (!this.table) {
        this.table = document.createElement("details");
        this.table.className = "chart-table";
        const summary = document.createElement("summary");
        summary.textContent = "The charts as a table";
        this.body = document.createElement("div");
        this.body.className = "scroll";
        this.body.tabIndex = 0;
        this.body.setAttribute("role", "region");
        this.body.setAttribute("aria-label", "The charts as a table");
        this.table.append(summary, this.body);
        this.table.addEventListener("toggle", () => this.tell());
        this.root.append(this.table);
        return;
      }
      const table = document.createElement("table");
      const row = (cells, tag) => {
        const line = table.insertRow();
        cells.forEach((text, index) => {
          const heads = tag === "th" || index === 0;
          const cell = document.createElement(heads ? "th" : "td");
          if (heads) cell.scope = tag === "th" ? "col" : "row";
          cell.textContent = text;
          line.append(cell);
        });
      };
      row([`Time (${zone})`, "New version's share", ...metrics.flatMap((m) => [`${m.name}, new`, `${m.name}, baseline`])], "th");
      const step = Math.max(1, Math.ceil(at.length / 40));
      at.forEach((t, i) => {
        if (i % step && i !== at.length - 1) return;
        row([clock(t), units.weight(this.data.weight[i]), ...metrics.flatMap((m) => [(units[m.unit] || units.rate)(m.canary[i]), (units[m.unit] || units.rate)(m.baseline[i])])], "td");
      });
      this.body.replaceChildren(table);
    }

    // A line where the judge looked, in the colour of what it said.
    mark(u) {
      const tones = { pass: "--good", fail: "--bad", marginal: "--wait", inconclusive: "--wait" };
      const { ctx, bbox } = u;
      ctx.save();
      for (const look of this.data?.looks || []) {
        const x = Math.round(u.valToPos(look.at, "x", true));
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.strokeStyle = ctx.fillStyle = colour(tones[look.verdict] || "--soft");
        ctx.setLineDash([3, 3]);
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
        ctx.textAlign = x > bbox.left + bbox.width / 2 ? "right" : "left";
        ctx.fillText(` ${look.verdict} `, x, bbox.top + 10 * devicePixelRatio);
      }
      ctx.restore();
    }

    make(name, unit, lines, caption, range) {
      const figure = document.createElement("figure");
      figure.className = "chart";
      figure.setAttribute("role", "img");
      const title = document.createElement("figcaption");
      title.textContent = caption;
      figure.append(title);
      this.root.append(figure);
      const show = units[unit] || units.rate;
      const axis = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false } };
      const series = lines.map((line) => ({ ...line, stroke: () => colour(line.stroke), spanGaps: true, points: { show: false }, value: (u, v, index, at) => show(at == null ? last(u.data[index]) : v) }));
      const plot = new uPlot({
        width: figure.clientWidth || 320,
        height: 180,
        cursor: { y: false },
        scales: { y: { range: range || ((_, low, high) => [Math.min(0, low ?? 0), (high ?? 0) * 1.1 || 0.01]) } },
        axes: [{ ...axis, space: 80, values: (_, ticks) => ticks.map(clock) },
          { ...axis, size: 62, values: (_, ticks) => ticks.map(show) }],
        series: [{ label: `Time (${zone})`, value: (u, t, index, at) => clock(at == null ? last(u.data[0]) : t) }, ...series],
        hooks: { draw: [(u) => this.mark(u)] },
      }, [[0], ...lines.map(() => [null])], figure);
      new ResizeObserver(() => {
        const width = figure.clientWidth;
        if (width && Math.abs(width - plot.width) > 2) plot.setSize({ width, height: 180 });
      }).observe(figure);
      document.addEventListener("clearway:theme", () => plot.redraw());
      return plot;
    }
  }

  function find() {
    for (const root of document.querySelectorAll("[data-series]:not([data-ready])")) {
      root.dataset.ready = "yes";
      new Charts(root);
    }
  }
  find();
  document.addEventListener("clearway:settled", find);
})();
