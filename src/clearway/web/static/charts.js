// The canary's charts: new version against the fresh copy of the old one, while the rollout moves.
"use strict";
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const units = {
    share: (v) => (v == null ? "–" : `${(v * 100).toFixed(1)} %`),
    seconds: (v) => (v == null ? "–" : v >= 1 ? `${v.toFixed(2)} s` : `${(v * 1000).toFixed(0)} ms`),
    rate: (v) => (v == null ? "–" : v.toPrecision(3)),
    weight: (v) => (v == null ? "–" : `${v} %`),
  };
  const clock = (t) => new Date(t * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const titles = { share: "share of requests", seconds: "seconds", rate: "rate" };

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
      const { at, weight, metrics } = this.data;
      if (!at.length) {
        if (!this.root.childElementCount) this.root.innerHTML = '<p class="hint">The charts begin with the first measurement.</p>';
        return;
      }
      if (!this.made.length) {
        this.root.replaceChildren();
        for (const metric of metrics) this.made.push(this.make(metric.name, metric.unit, [
          { label: "New version", stroke: "--chart-canary", width: 2.5 },
          { label: "Baseline", stroke: "--chart-baseline", width: 2, dash: [6, 4] },
        ], `${metric.name}: ${titles[metric.unit] || ""}`));
        this.made.push(this.make("weight", "weight", [
          { label: "Traffic to the new version", stroke: "--chart-canary", width: 2, paths: uPlot.paths.stepped({ align: 1 }) },
        ], "Traffic to the new version", [0, 100]));
      }
      metrics.forEach((metric, index) => this.made[index].setData([at, metric.canary, metric.baseline]));
      this.made[metrics.length].setData([at, weight]);
    }

    make(name, unit, lines, caption, range) {
      const figure = document.createElement("figure");
      figure.className = "chart";
      const title = document.createElement("figcaption");
      title.textContent = caption;
      figure.append(title);
      this.root.append(figure);
      const show = units[unit] || units.rate;
      const axis = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false } };
      const series = lines.map((line) => ({ ...line, stroke: () => colour(line.stroke), spanGaps: true, points: { show: false }, value: (_, v) => show(v) }));
      const plot = new uPlot({
        width: figure.clientWidth || 320,
        height: 180,
        cursor: { y: false },
        scales: { y: { range: range || ((_, low, high) => [Math.min(0, low ?? 0), (high ?? 0) * 1.1 || 0.01]) } },
        axes: [{ ...axis, space: 80, values: (_, ticks) => ticks.map(clock) },
          { ...axis, size: 62, values: (_, ticks) => ticks.map(show) }],
        series: [{ value: (_, t) => (t == null ? "–" : clock(t)) }, ...series],
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
