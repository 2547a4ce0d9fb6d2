// A pointer over the timeline that shows every panel's values at one time. The page is complete
// without it.
(() => {
  const svg = document.getElementById("timeline");
  const source = document.getElementById("timeline-data");
  const tip = document.getElementById("tip");
  if (!svg || !source || !tip) return;
  const data = JSON.parse(source.textContent);
  const pointer = document.getElementById("pointer");
  const height = svg.viewBox.baseVal.height;
  pointer.setAttribute("y2", height - 34);

  const clock = (ms) => {
    const whole = Math.round(ms / 1000);
    return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  };
  const number = (value) => {
    const digits = value >= 100 ? 0 : value >= 1 ? 1 : 2;
    return value.toLocaleString("en", { maximumFractionDigits: digits });
  };
  const add = (parent, tag, text, name) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    node.textContent = text;
    parent.append(node);
    return node;
  };

  const show = (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    if (x < data.left || x > data.right) return hide();
    const step = Math.min(data.steps - 1, Math.floor(((x - data.left) / (data.right - data.left)) * data.steps));
    const at = data.left + ((step + 0.5) / data.steps) * (data.right - data.left);
    pointer.setAttribute("x1", at);
    pointer.setAttribute("x2", at);
    pointer.setAttribute("visibility", "visible");
    tip.replaceChildren();
    const from = step * data.step_ms;
    add(tip, "b", data.step_ms > 1000 ? `${clock(from)} to ${clock(from + data.step_ms)}` : clock(from));
    for (const fault of data.faults) {
      const until = fault.until_ms === null ? Infinity : fault.until_ms;
      if (fault.from_ms < from + data.step_ms && until >= from) add(tip, "div", fault.label);
    }
    for (const panel of data.panels) {
      const seen = panel.series.filter((series) => series.values[step] !== null && series.values[step] !== undefined);
      if (!seen.some((series) => series.values[step] > 0)) continue;
      add(tip, "div", `${panel.title.split(/[:,]/)[0]}, ${panel.unit}`, "head");
      for (const series of seen.slice(0, 12)) {
        const row = add(tip, "div", "");
        add(row, "span", series.name);
        add(row, "span", number(series.values[step]));
      }
    }
    tip.hidden = false;
    const left = event.clientX + 18 + tip.offsetWidth > innerWidth ? event.clientX - 18 - tip.offsetWidth : event.clientX + 18;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY - 20, innerHeight - tip.offsetHeight - 8))}px`;
  };
  const hide = () => {
    tip.hidden = true;
    pointer.setAttribute("visibility", "hidden");
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerleave", hide);
})();
