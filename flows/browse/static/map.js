/* The map: places and groups come as bytes, what an image is comes by its row when it is looked at. */

const box = document.getElementById("map");
const says = document.getElementById("map-says");
const card = document.getElementById("map-hover");
const legend = document.getElementById("legend");
const chosen = document.getElementById("by");
const CORNERS = 200; // of a lasso, at the most
const COLOURS = 60;
const FEW = 100000; // points that a browser without a graphics card moves
let step = 1; // every so manyth point is drawn; rows are in the order of hashes, so it is a sample
let rows = []; // of each group, which rows its points are
let places = null;

const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const colour = (n) =>
  n >= COLOURS ? "#888888" : `hsl(${Math.round(n * 137.508) % 360}, ${55 + 15 * (n % 2)}%, ${(dark ? 62 : 40) + 8 * (n % 3)}%)`;

async function asked(path, how) {
  const answer = await fetch(`${box.dataset.base}/${path}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer[how]();
}

function isSlow() {
  const gl = document.createElement("canvas").getContext("webgl");
  const info = gl && gl.getExtension("WEBGL_debug_renderer_info");
  return !info || /swiftshader|llvmpipe|software|basic render/i.test(gl.getParameter(info.UNMASKED_RENDERER_WEBGL));
}

function parted(codes, count) {
  const n = new Uint32Array(count);
  for (let row = 0; row < codes.length; row += step) n[codes[row]]++;
  rows = [...n].map((size) => new Uint32Array(size));
  const x = [...n].map((size) => new Float32Array(size));
  const y = [...n].map((size) => new Float32Array(size));
  const at = new Uint32Array(count);
  const half = places.length / 2;
  for (let row = 0; row < codes.length; row += step) {
    const group = codes[row];
    const place = at[group]++;
    rows[group][place] = row;
    x[group][place] = places[row];
    y[group][place] = places[half + row];
  }
  return { x, y };
}

async function draw() {
  const by = chosen.value;
  const version = `?v=${box.dataset.version}`;
  places = places || new Float32Array(await asked(`points.bin${version}`, "arrayBuffer"));
  const [groups, bytes] = await Promise.all([
    asked(`groups/${by}.json${version}`, "json"),
    asked(`groups/${by}.bin${version}`, "arrayBuffer"),
  ]);
  const codes = new Uint16Array(bytes);
  if (!box.dataset.drawn && codes.length > FEW && isSlow()) step = Math.ceil(codes.length / FEW);
  const { x, y } = parted(codes, groups.length);
  const drawn = codes.length / step;
  const size = drawn > 200000 ? 2 : drawn > 20000 ? 3 : drawn > 2000 ? 6 : 9;
  const traces = groups.map((group, n) => ({
    type: "scattergl", mode: "markers", name: group.name, x: x[n], y: y[n], hoverinfo: "none",
    marker: { size, color: colour(n), opacity: drawn > 20000 ? 0.6 : 0.8 },
  }));
  const axis = { visible: false, showgrid: false, zeroline: false };
  const last = box.layout;
  const layout = {
    dragmode: last ? last.dragmode : "pan", hovermode: "closest", showlegend: false, uirevision: 1,
    margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    xaxis: { ...axis }, yaxis: { ...axis, scaleanchor: "x" },
    newshape: { line: { color: dark ? "#86c8bd" : "#1c5f5a", width: 2 }, fillcolor: "rgba(120,120,120,0.15)" },
  };
  await Plotly.react(box, traces, layout, { scrollZoom: true, displayModeBar: false, responsive: true });
  list(groups);
  says.textContent = `${codes.length.toLocaleString("en")} images. Point at one to see it, click to open it; a lasso opens all in it. `;
  if (step > 1) sampled();
  box.dataset.drawn = by;
}

function sampled() {
  says.append(`Without a graphics card 1 in ${step} is drawn. `);
  const all = says.appendChild(document.createElement("button"));
  Object.assign(all, { type: "button", className: "quiet", textContent: "Draw all" });
  all.addEventListener("click", () => { step = 1; draw(); });
}

function list(groups) {
  legend.replaceChildren(
    ...groups.map((group, n) => {
      const item = document.createElement("li");
      const label = item.appendChild(document.createElement("label"));
      const tick = label.appendChild(document.createElement("input"));
      Object.assign(tick, { type: "checkbox", checked: true, value: n });
      tick.addEventListener("change", () => Plotly.restyle(box, { visible: tick.checked }, [n]));
      label.appendChild(document.createElement("i")).style.background = colour(n);
      label.append(group.name);
      const count = item.appendChild(document.createElement("span"));
      Object.assign(count, { className: "n", textContent: group.n.toLocaleString("en") });
      return item;
    }),
  );
}

const rowOf = (event) => rows[event.points[0].curveNumber][event.points[0].pointNumber];
const known = new Map();

async function imageAt(row) {
  if (!known.has(row)) known.set(row, (await asked(`images.json?rows=${row}`, "json"))[0]);
  return known.get(row);
}

let looked = -1;
async function hover(event) {
  const row = rowOf(event);
  looked = row;
  const { clientX, clientY } = event.event;
  await new Promise((done) => setTimeout(done, 60));
  if (looked !== row) return;
  const image = await imageAt(row);
  if (looked !== row || !image) return;
  card.querySelector("img").src = `${box.dataset.run}/small/${encodeURIComponent(image.key)}`;
  card.querySelector("p").textContent = image.label === null ? image.name : `${image.name}; label ${image.label}`;
  card.hidden = false;
  card.style.left = `${Math.max(4, Math.min(clientX + 14, innerWidth - 190))}px`;
  card.style.top = `${Math.max(4, Math.min(clientY + 14, innerHeight - 230))}px`;
}

async function open(event) {
  const image = await imageAt(rowOf(event));
  if (image) location.assign(`${box.dataset.run}/image/${encodeURIComponent(image.key)}`);
}

function lasso(change) {
  const path = change.shapes && change.shapes.length && change.shapes.at(-1).path;
  if (!path) return;
  const corners = path.slice(1).replace(/Z$/, "").split("L");
  const every = Math.ceil(corners.length / CORNERS);
  const kept = corners.filter((_, n) => n % every === 0);
  if (kept.length < 3) {
    Plotly.relayout(box, { shapes: [] });
    return;
  }
  const query = new URLSearchParams({ by: chosen.value });
  query.set("lasso", kept.flatMap((corner) => corner.split(",").map((value) => Number(value).toFixed(4))).join(","));
  for (const tick of legend.querySelectorAll("input:not(:checked)")) query.append("hidden", tick.value);
  location.assign(`${box.dataset.base}/inside?${query}`);
}

function mode(name) {
  Plotly.relayout(box, { dragmode: name });
  for (const button of document.querySelectorAll("[data-mode]")) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === name));
  }
}

function shift(axis, scale, by) {
  const [low, high] = box._fullLayout[axis].range;
  const middle = (low + high) / 2 + by * (high - low);
  const half = ((high - low) / 2) * scale;
  return [middle - half, middle + half];
}

function view(scale, right = 0, up = 0) {
  const whole = { "xaxis.autorange": true, "yaxis.autorange": true };
  const part = { "xaxis.range": shift("xaxis", scale, right), "yaxis.range": shift("yaxis", scale, up) };
  Plotly.relayout(box, scale ? part : whole);
}

const MOVES = {
  ArrowLeft: [1, -0.2, 0], ArrowRight: [1, 0.2, 0], ArrowUp: [1, 0, 0.2], ArrowDown: [1, 0, -0.2],
  "+": [0.6], "=": [0.6], "-": [1.7], 0: [0],
};

async function begin() {
  try {
    await draw();
  } catch (error) {
    says.textContent = `The map could not be drawn: ${error.message}. The table below says where each kind lies.`;
    return;
  }
  box.on("plotly_hover", hover);
  box.on("plotly_unhover", () => { looked = -1; card.hidden = true; });
  box.on("plotly_click", open);
  box.on("plotly_relayout", lasso);
  chosen.addEventListener("change", draw);
  for (const button of document.querySelectorAll("[data-mode]")) {
    button.addEventListener("click", () => mode(button.dataset.mode));
  }
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => view(Number(button.dataset.zoom)));
  }
  box.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    view(...move);
    event.preventDefault();
    event.stopPropagation();
  });
}

begin();
