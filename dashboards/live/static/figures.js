// Draws the pictures of boards with plotly, in the colours of the page and the viewer's own time.
"use strict";

const series = ["--line", "--hot", "--well", "--medium", "--s5", "--s6", "--s7", "--s8"];
let plotly = null;

function library() {
  plotly = plotly || new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/static/plotly.js";
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly did not load"));
    document.head.append(script);
  });
  return plotly;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Spans the pipeline did not see, over the whole height of a chart: a filled outline each.
function hatch(content, traces, made) {
  if (!content.blind || !content.blind.length) return;
  const x = [], y = [];
  for (const [from, to] of content.blind) {
    x.push(local(from), local(from), local(to), local(to), null);
    y.push(0, 1, 1, 0, null);
  }
  traces.push({
    x, y, yaxis: "y2", name: "blind", mode: "lines", line: { width: 0 }, fill: "toself", hoverinfo: "skip",
    fillpattern: { shape: "/", fgcolor: colour("--hot"), bgcolor: "rgba(0,0,0,0)", fgopacity: 0.7, size: 7, solidity: 0.16 },
    showlegend: true, legendrank: 2000,
  });
  made.yaxis2 = { overlaying: "y", range: [0, 1], visible: false, fixedrange: true };
  made.showlegend = true;
}

// Plotly writes times as it gets them: they are moved into the viewer's zone first.
function local(ms) {
  if (typeof ms === "string") ms = Date.parse(ms.includes("T") ? ms : ms.replace(" ", "T") + (ms.length > 10 ? "Z" : ""));
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60000).toISOString().slice(0, 23);
}

function layout(content, height) {
  const axis = {
    gridcolor: colour("--hairline"), linecolor: colour("--hairline"), zeroline: false,
    tickfont: { color: colour("--muted"), size: 11 }, fixedrange: true, automargin: true,
  };
  return {
    height, margin: { l: 8, r: 8, t: 8, b: 8 },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--text"), family: "system-ui, sans-serif", size: 12 },
    hovermode: "x unified", hoverlabel: { bgcolor: colour("--card"), font: { color: colour("--text") } },
    xaxis: { ...axis, showgrid: false }, yaxis: { ...axis, rangemode: "tozero", ticksuffix: content.unit || "" },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { color: colour("--muted"), size: 11 } },
    showlegend: false,
  };
}

function time(content, height) {
  const traces = [];
  if (content.band && content.band.x.length) {
    const x = content.band.x.map(local);
    const edge = { x, mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false };
    traces.push({ ...edge, y: content.band.low });
    traces.push({ ...edge, y: content.band.high, fill: "tonexty", fillcolor: colour("--band"), hoverinfo: "y", name: "usual to" });
  }
  content.lines.forEach((line, index) => {
    const single = content.lines.length === 1;
    const stroke = colour(series[index % series.length]);
    traces.push({
      x: line.x.map(local), y: line.y, name: line.name, mode: line.x.length > 1 ? "lines" : "markers",
      line: { color: stroke, width: 1.6, dash: index < series.length || single ? "solid" : "dot" },
      stackgroup: content.stacked ? "all" : undefined, connectgaps: false,
    });
  });
  const made = layout(content, height);
  made.showlegend = content.lines.length > 1;
  made.shapes = (content.steps || []).slice(-1).map((y) => ({
    type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color: colour("--hot"), width: 1, dash: "dash" },
  }));
  return { traces, layout: made };
}

function bars(content, height) {
  const traces = content.bars.map((bar, index) => ({
    type: "bar", orientation: "h", y: content.names, x: bar.x, name: bar.name,
    marker: { color: colour(series[index % series.length]) },
  }));
  const made = layout(content, height);
  made.barmode = "stack";
  made.showlegend = content.bars.length > 1;
  made.hovermode = "closest";
  made.yaxis = { ...made.yaxis, autorange: "reversed", ticksuffix: "" };
  return { traces, layout: made };
}

function strip(content, height) {
  const colours = [colour("--seen"), colour("--medium"), colour("--high")];
  const marks = ["square", "diamond", "x"];
  const traces = content.states.map((name, state) => {
    const x = [], y = [];
    for (const lane of content.lanes) {
      lane.x.forEach((at, index) => {
        if (lane.state[index] === state) { x.push(local(at)); y.push(lane.name); }
      });
    }
    return { x, y, name, mode: "markers", marker: { color: colours[state], symbol: marks[state], size: 8 } };
  });
  const made = layout(content, height);
  made.showlegend = true;
  made.hovermode = "closest";
  made.yaxis = { ...made.yaxis, type: "category", rangemode: undefined };
  return { traces, layout: made };
}

// Who acted when: a lane an account; moments in common stand out.
function raster(content, height) {
  const [shared, alone] = [{ x: [], y: [] }, { x: [], y: [] }];
  for (const lane of content.lanes) {
    lane.x.forEach((at, index) => {
      const place = lane.common[index] ? shared : alone;
      place.x.push(local(at));
      place.y.push(lane.name);
    });
  }
  const dot = { mode: "markers", type: "scatter" };
  const traces = [
    { ...dot, ...alone, name: "alone", marker: { color: colour("--muted"), size: 4, opacity: 0.45 } },
    { ...dot, ...shared, name: "in common", marker: { color: colour("--hot"), size: 6 } },
  ];
  const made = layout(content, height);
  made.hovermode = "closest";
  made.showlegend = true;
  const many = content.lanes.length > 40;
  made.yaxis = { ...made.yaxis, type: "category", rangemode: undefined, showticklabels: !many, autorange: "reversed" };
  return { traces, layout: made };
}

// Who is tied to whom; places come from the server, newcomers in the warning colour.
function graph(content, height) {
  const x = [], y = [];
  for (const [a, b] of content.ties) {
    x.push(content.nodes[a].x, content.nodes[b].x, null);
    y.push(content.nodes[a].y, content.nodes[b].y, null);
  }
  const point = (chosen, name, tint, symbol) => ({
    x: chosen.map((n) => n.x), y: chosen.map((n) => n.y), text: chosen.map((n) => n.name), name,
    mode: "markers", hoverinfo: "text", marker: { size: 11, color: colour(tint), symbol, line: { width: 1, color: colour("--card") } },
  });
  const traces = [
    { x, y, mode: "lines", hoverinfo: "skip", showlegend: false, line: { color: colour("--muted"), width: 0.6 }, opacity: 0.55 },
    point(content.nodes.filter((n) => !n.fresh), "member", "--line", "circle"),
    point(content.nodes.filter((n) => n.fresh), "joined today", "--hot", "diamond"),
  ];
  const made = layout(content, height);
  made.hovermode = "closest";
  made.showlegend = content.nodes.some((n) => n.fresh);
  for (const axis of ["xaxis", "yaxis"]) made[axis] = { visible: false, fixedrange: true, rangemode: undefined };
  made.yaxis.scaleanchor = "x";
  return { traces, layout: made };
}

const kinds = { time, bars, strip, raster, graph };

async function draw(place) {
  place.dataset.asked = "yes";
  const content = JSON.parse(place.dataset.figure);
  const height = Math.max(place.clientHeight, 120);
  try {
    const library_ = await library();
    const made = kinds[content.kind](content, height);
    hatch(content, made.traces, made.layout);
    await library_.react(place, made.traces, made.layout, { displayModeBar: false, responsive: true });
    place.dataset.drawn = "yes";
  } catch (error) {
    place.textContent = "The picture cannot be drawn here; its numbers stand below.";
    place.dataset.drawn = "no";
  }
}

function drawAll() {
  for (const place of document.querySelectorAll("[data-figure]")) draw(place);
}

document.addEventListener("figure", (event) => draw(event.target));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
drawAll();
