"use strict";
const byId = (id) => document.getElementById(id);
const read = (id) => JSON.parse(byId(id).textContent);

// Figures: those in view are drawn at once, the others when the browser is idle, so that the page opens fast and is
// whole when it is saved. Before printing all are drawn, in light colours.
const places = [...document.querySelectorAll("[data-figure]")];
const dark = matchMedia("(prefers-color-scheme: dark)");
let printing = false;

function colours(layout) {
  const [ink, grid] = dark.matches && !printing ? ["#eef1f5", "#3a424e"] : ["#1a1a1a", "#dddddd"];
  const axes = Object.keys(layout).filter((key) => /^[xy]axis/.test(key));
  const update = { "font.color": ink };
  for (const axis of axes) {
    for (const part of ["gridcolor", "zerolinecolor", "linecolor"]) update[`${axis}.${part}`] = grid;
  }
  return update;
}

function draw(place) {
  if (place.dataset.drawn) return;
  place.dataset.drawn = "yes";
  place.replaceChildren(); // of a saved page: its picture of then
  const figure = read("figure-" + place.dataset.figure);
  Plotly.newPlot(place, figure.data, figure.layout, { responsive: true, displayModeBar: false });
  Plotly.relayout(place, colours(figure.layout));
}

function recolour() {
  places.forEach(draw);
  places.forEach((place) => Plotly.relayout(place, { ...colours(place.layout), autosize: true }));
}

places.forEach((place) => delete place.dataset.drawn);
const seen = new IntersectionObserver((entries) => {
  entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target));
}, { rootMargin: "200px" });
places.forEach((place) => seen.observe(place));
const idle = window.requestIdleCallback ?? ((then) => setTimeout(then, 50));
const drawRest = () => {
  const next = places.find((place) => !place.dataset.drawn);
  if (next) {
    draw(next);
    idle(drawRest);
  } else {
    document.body.dataset.drawn = "all";
  }
};
addEventListener("load", () => idle(drawRest));
dark.addEventListener("change", recolour);
addEventListener("beforeprint", () => {
  printing = true;
  recolour();
  showRows();
  folded().forEach((part) => { part.open = true; });
});
addEventListener("afterprint", () => {
  printing = false;
  recolour();
  showRows();
});
const folded = () => [...document.querySelectorAll("details")];

// The table of patients: sort by a column, show those that fit the filters.
const table = byId("patient-table");
const rows = [...table.tBodies[0].rows];
const attribute = (row, key) => row.dataset[key.replace(/_(.)/g, (_, letter) => letter.toUpperCase())];

table.tHead.addEventListener("click", (event) => {
  const button = event.target.closest("[data-sort]");
  if (!button) return;
  const head = button.parentElement;
  const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  table.tHead.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", direction);
  const key = button.dataset.sort;
  const sign = direction === "ascending" ? 1 : -1;
  const compare = (a, b) => {
    const [x, y] = [attribute(a, key), attribute(b, key)];
    return isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
  };
  rows.sort((a, b) => sign * compare(a, b) || a.dataset.patient.localeCompare(b.dataset.patient));
  table.tBodies[0].append(...rows);
  showRows();
});

// A long table shows its first rows, until all are asked for or it is filtered.
const FIRST_ROWS = 15;
let all = rows.length <= FIRST_ROWS + 5;
const allPatients = byId("all-patients");
allPatients.addEventListener("click", () => {
  all = true;
  showRows();
});

function showRows() {
  const name = byId("filter-name").value.trim().toLowerCase();
  const institution = byId("filter-institution").value;
  const below = parseFloat(byId("filter-dice").value);
  const filtered = name || institution || !isNaN(below);
  let fitting = 0;
  for (const row of table.tBodies[0].rows) {
    const fits = row.dataset.patient.toLowerCase().includes(name)
      && (!institution || row.dataset.institution === institution)
      && (isNaN(below) || parseFloat(row.dataset.ensemble) < below);
    fitting += fits;
    row.hidden = !fits || (!all && !filtered && !printing && fitting > FIRST_ROWS);
  }
  allPatients.hidden = all || Boolean(filtered);
  byId("filter-count").textContent = `${fitting} patient${fitting === 1 ? "" : "s"}`;
}
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("input", showRows);
showRows();

// One patient: a slice at a time.
const viewer = byId("viewer");
const slider = byId("viewer-slice");
const switches = [...viewer.querySelectorAll("[data-show]")];
const models = switches.map((box) => box.dataset.show).filter((name) => name !== "truth" && name !== "soft");
const SVG = "http://www.w3.org/2000/svg";
let patient = null;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-open]");
  if (button) open(button.dataset.open);
});
byId("viewer-close").addEventListener("click", () => viewer.close());
slider.addEventListener("input", show);
switches.forEach((box) => box.addEventListener("change", show));
viewer.addEventListener("keydown", (event) => {
  const last = patient.slices.length - 1;
  const at = Number(slider.value);
  const target = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: last }[event.key];
  if (target !== undefined) {
    slider.value = Math.max(0, Math.min(last, target));
    show();
    event.preventDefault();
  } else if (/^[1-9]$/.test(event.key) && switches[event.key - 1]) {
    switches[event.key - 1].click();
  }
});
byId("viewer-bars").addEventListener("click", (event) => {
  const box = byId("viewer-bars").getBoundingClientRect();
  slider.value = Math.floor((event.clientX - box.left) / box.width * patient.slices.length);
  show();
});

function open(name) {
  patient = read("data-" + name);
  byId("viewer-title").textContent = name;
  const { width, height } = patient;
  byId("viewer-picture").setAttribute("viewBox", `0 0 ${width} ${height}`);
  for (const part of ["viewer-image", "viewer-soft"]) {
    byId(part).setAttribute("width", width);
    byId(part).setAttribute("height", height);
  }
  slider.max = patient.slices.length - 1;
  slider.value = patient.start;
  drawBars();
  show();
  viewer.showModal();
  slider.focus();
}

function show() {
  const at = Number(slider.value);
  const shown = Object.fromEntries(switches.map((box) => [box.dataset.show, box.checked]));
  byId("viewer-image").setAttribute("href", patient.images[at]);
  byId("viewer-picture").setAttribute("aria-label", "Slice " + patient.slices[at]);
  for (const name of ["truth", ...models]) {
    byId("line-" + name).setAttribute("d", shown[name] ? patient.outlines[name][at] : "");
  }
  drawSoft(shown.soft ? patient.probability[at] : null);
  byId("viewer-number").textContent = `${patient.slices[at]} (${at + 1} of ${patient.slices.length})`;
  slider.setAttribute("aria-valuetext", "slice " + patient.slices[at]);
  const told = models.map((name) => {
    const dice = patient.dice[name][at];
    const label = switches.find((box) => box.dataset.show === name).parentElement.textContent.trim();
    return `${label} ${dice === null ? "no tumour, none marked" : dice.toFixed(3)}`;
  });
  byId("viewer-dice").textContent = "Dice of this slice: " + told.join("; ");
  byId("viewer-bars").querySelector(".here").setAttribute("x", at);
}

function drawSoft(source) {
  const place = byId("viewer-soft");
  place.removeAttribute("href");
  if (!source) return;
  const picture = new Image();
  picture.onload = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [patient.width, patient.height];
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < pixels.data.length; i += 4) {
      const level = pixels.data[i];
      pixels.data.set([255, 255 - level / 2, 0, level > 8 ? 20 + level * 0.5 : 0], i);
    }
    context.putImageData(pixels, 0, 0);
    place.setAttribute("href", canvas.toDataURL());
  };
  picture.src = source;
}

function drawBars() {
  const bars = byId("viewer-bars");
  bars.setAttribute("viewBox", `0 0 ${patient.slices.length} 1`);
  bars.setAttribute("preserveAspectRatio", "none");
  const add = (kind, x, y, width, height, colour) => {
    const part = document.createElementNS(SVG, "rect");
    Object.entries({ class: kind, x, y, width, height, fill: colour }).forEach(([key, value]) => part.setAttribute(key, value));
    return part;
  };
  const parts = [add("here", 0, 0, 1, 1, "var(--here)")];
  models.forEach((name, order) => {
    patient.dice[name].forEach((dice, at) => {
      if (dice === null) return;
      const width = 0.8 / models.length;
      const height = Math.max(dice, 0.02); // a Dice of 0 is seen, too
      parts.push(add(name, at + 0.1 + order * width, 1 - height, width, height, `var(--${name})`));
    });
  });
  bars.replaceChildren(...parts);
}
