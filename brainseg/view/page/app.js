// The page of one result: facts beside the picture, and controls that steer NiiVue.
"use strict";

const byId = (id) => document.getElementById(id);
const VIEWS = { axial: 0, coronal: 1, sagittal: 2, all: 3, render: 4 }; // NiiVue's SLICE_TYPE
const BLUE = [86, 180, 233]; // sky blue of Okabe and Ito 2008, which all readers tell from grey
const RED = [213, 94, 0]; // vermilion of the same palette, which is no colour of the crosshair
const YELLOW = [240, 228, 66]; // of the same, as a person's mask has it on the page of results
const OPTIONS = {
  isRadiologicalConvention: true,
  multiplanarShowRender: 1, // always
  tileMargin: -1, // as wide as a letter
  multiplanarLayout: 2, // a grid
  crosshairColor: [1, 0.83, 0.47, 0.8],
  crosshairWidth: 0.4,
  crosshairGap: 12,
  fontColor: [1, 0.83, 0.47, 1],
  fontMinPx: 16,
  showAllOrientationMarkers: true,
  isOrientCube: true,
  isNearestInterpolation: true,
  dragAndDropEnabled: false, // this page shows one result, no other files
  viewModeHotKey: "",
  clipPlaneHotKey: "",
  cycleClipPlaneHotKey: "",
  logLevel: "error",
};

// What the page says without a picture.
function describe(result) {
  document.title = `${result.case} – brainseg`;
  byId("case").textContent = result.case;
  for (const [label, value] of result.facts) {
    for (const [tag, text] of [["dt", label], ["dd", value]]) {
      const element = document.createElement(tag);
      element.textContent = text;
      byId("facts").append(element);
    }
  }
  list("warnings", result.warnings);
  byId("remarks").hidden = result.warnings.length === 0;
  byId("trust").hidden = !result.trust;
  if (!result.trust) return;
  byId("level").textContent = result.trust.level;
  byId("trust").dataset.level = result.trust.level;
  byId("dice").value = result.trust.dice;
  byId("expected").textContent = result.trust.text;
  list("reasons", result.trust.reasons);
}

function list(id, texts) {
  for (const text of texts) {
    const item = document.createElement("li");
    item.textContent = text;
    byId(id).append(item);
  }
}

function fail(text) {
  byId("message").textContent = text;
  byId("message").hidden = false;
  document.body.dataset.state = "failed";
}

async function fetchResult() {
  const response = await fetch("result.json");
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.json();
}

// FLAIR, the filled mask, and what else there is, each under its name in `at`.
async function draw(nv, result) {
  // what lies over the scan is shown voxel by voxel; smoothed, all of it would take on the last one's colour at its edges
  const filter = nv.updateInterpolation.bind(nv);
  nv.updateInterpolation = (layer) => filter(layer, layer === 0);
  await nv.attachToCanvas(byId("canvas"), true);
  const grey = [0, 36, 110, 255]; // in 3-D the noise around the head is as clear as air
  nv.addColormap("scan", { R: grey, G: grey, B: grey, A: [0, 0, 60, 160], I: grey });
  for (const [name, [r, g, b]] of [["tumour", BLUE], ["person", YELLOW], ["unsure", RED]]) {
    nv.addColormap(name, { R: [r, r], G: [g, g], B: [b, b], A: [0, 255], I: [0, 255] });
  }
  nv.addColormap("heat", { R: [90, 204, 255], G: [20, 121, 240], B: [90, 167, 180], A: [0, 170, 230], I: [0, 128, 255] });
  const colours = { mask: "tumour", outline: "tumour", truth: "person", edge: "unsure", probability: "heat", brain: "scan" };
  const there = ["brain", "probability", "mask", "edge", "outline", "truth"].filter((name) =>
    name === "mask" || (name === "edge" ? result.edge : result.layers.includes(name)));
  await nv.loadVolumes([
    { url: "flair.nii.gz", name: "flair.nii.gz", colormap: "scan" },
    ...there.map((name) => ({
      url: `${name}.nii.gz`, name: `${name}.nii.gz`, colormap: colours[name], opacity: 0,
      cal_min: 0, cal_max: ["probability", "brain"].includes(name) ? 255 : 1,
    })),
  ]);
  const at = Object.fromEntries(["flair", ...there].map((name, index) => [name, index]));
  // in 3-D only the brain is to be seen; slices do not look at how opaque a voxel is
  if ("brain" in at) await nv.setModulationImage(nv.volumes[0].id, nv.volumes[at.brain].id, 1);
  await nv.setVolumeRenderIllumination(0.5);
  return at;
}

// T1 and T1 with contrast take FLAIR's place; they lie on its grid.
function steerSequences(nv, result) {
  const names = ["flair", ...result.layers.filter((name) => name === "pre" || name === "post")];
  byId("sequences").hidden = names.length < 2;
  const take = (volume) => ({ img: volume.img, range: [volume.cal_min, volume.cal_max] });
  const shown = { flair: take(nv.volumes[0]) };
  for (const input of document.querySelectorAll("#sequences input")) {
    input.parentElement.hidden = !names.includes(input.value);
    input.addEventListener("change", async () => {
      const name = input.value;
      shown[name] ??= take(await niivue.NVImage.loadFromUrl({ url: `${name}.nii.gz`, name: `${name}.nii.gz` }));
      nv.volumes[0].img = shown[name].img;
      [nv.volumes[0].cal_min, nv.volumes[0].cal_max] = shown[name].range;
      nv.updateGLVolume();
      document.body.dataset.sequence = name;
    });
    input.checked = input.value === "flair";
  }
  document.body.dataset.sequence = "flair";
}

// Slice sliders: where the crosshair is, by voxels to the right, forwards and up.
function steerSlices(nv, result) {
  const size = nv.volumes[0].dimsRAS.slice(1, 4);
  const first = [0, 0, result.first_slice]; // axial slices are numbered as in the files
  const sliders = [...document.querySelectorAll("[data-axis]")].map((label) => {
    const [input, output, axis] = [label.querySelector("input"), label.querySelector("output"), +label.dataset.axis];
    [input.min, input.max] = [first[axis], first[axis] + size[axis] - 1];
    input.addEventListener("input", () => {
      const step = [0, 0, 0];
      step[axis] = +input.value - first[axis] - nv.frac2vox(nv.scene.crosshairPos)[axis];
      nv.moveCrosshairInVox(...step);
    });
    return { input, output, axis };
  });
  nv.onLocationChange = () => {
    const place = nv.frac2vox(nv.scene.crosshairPos);
    for (const { input, output, axis } of sliders) {
      input.value = place[axis] + first[axis];
      output.textContent = input.value;
    }
  };
  const jump = (mm) => {
    nv.scene.crosshairPos = nv.mm2frac(mm, 0, true);
    nv.createOnLocationChange();
    nv.drawScene();
  };
  byId("largest").addEventListener("click", () => jump(result.start_mm));
  const doubt = byId("doubt");
  doubt.hidden = result.doubtful.length === 0;
  doubt.addEventListener("click", () => {
    const here = +sliders[0].input.value; // the axial slice
    const next = result.doubtful.find(({ slice }) => slice > here) ?? result.doubtful[0];
    jump(next.mm);
  });
  byId("largest").disabled = !result.tumour;
  jump(result.start_mm);
}

function steerViews(nv, changed) {
  const show = (name) => {
    byId("places").hidden = name === "render";
    byId("angles").hidden = name !== "render";
    document.body.dataset.view = name;
    nv.setSliceType(VIEWS[name]);
    changed();
  };
  byId("views").addEventListener("change", (event) => show(event.target.value));
  show(document.querySelector("#views input:checked").value); // browsers keep a form's state over a reload
}

function steerAngles(nv, result) {
  const [azimuth, elevation] = [byId("azimuth"), byId("elevation")];
  const say = (a, e) => {
    for (const [input, value] of [[azimuth, ((a % 360) + 360) % 360], [elevation, e]]) {
      input.value = Math.round(value);
      input.nextElementSibling.textContent = `${input.value}°`;
    }
  };
  nv.onAzimuthElevationChange = say;
  for (const input of [azimuth, elevation]) {
    input.addEventListener("input", () => nv.setRenderAzimuthElevation(+azimuth.value, +elevation.value));
  }
  const left = nv.mm2frac(result.start_mm, 0, true)[0] < 0.5;
  nv.setRenderAzimuthElevation(left ? 120 : 240, 20); // from the front, on the tumour's side
}

// What lies over the scan; gives the function that draws it as the page says.
function steerMask(nv, at) {
  const [shown, opacity] = [byId("shown"), byId("opacity")];
  const layers = [...document.querySelectorAll("[data-layer]")].filter((input) => input.dataset.layer in at);
  const strength = { truth: 1, probability: 0.6, edge: 0.6 };
  const apply = () => {
    opacity.nextElementSibling.textContent = `${opacity.value} %`;
    const filled = document.body.dataset.view === "render" ? 1 : opacity.value / 100; // a shell shows little in 3-D
    nv.volumes[at.mask].opacity = shown.checked ? filled : 0;
    if ("outline" in at) nv.volumes[at.outline].opacity = shown.checked ? 1 : 0;
    for (const input of layers) nv.volumes[at[input.dataset.layer]].opacity = input.checked ? strength[input.dataset.layer] : 0;
    nv.updateGLVolume();
  };
  for (const input of layers) input.closest("label").hidden = false;
  for (const input of [shown, ...layers]) input.addEventListener("change", apply);
  opacity.addEventListener("input", apply);
  return apply;
}

function steerSaving(nv, result) {
  byId("save").addEventListener("click", () => {
    const view = document.body.dataset.view;
    const slice = view === "render" ? "" : `_slice${document.querySelector("[data-axis='2'] input").value}`;
    nv.saveScene(`${result.case}_${view === "render" ? "3d" : view}${slice}.png`);
  });
}

function steerCases(result) {
  if (!result.all) return;
  byId("cases").hidden = false;
  byId("place").textContent = result.place;
  for (const id of ["previous", "all", "next"]) {
    if (result[id]) byId(id).href = result[id];
    else byId(id).removeAttribute("href");
  }
}

// Arrow keys move the slices of the view that is shown, wherever the focus is, but for what has arrow keys of its own.
function steerKeys(result) {
  const axes = { axial: 2, all: 2, coronal: 1, sagittal: 0 };
  const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) {
      const axis = axes[document.body.dataset.view];
      if (axis === undefined || event.target.matches("input[type=range], input[type=radio]")) return;
      const input = document.querySelector(`[data-axis='${axis}'] input`);
      input.value = +input.value + steps[event.key];
      input.dispatchEvent(new Event("input"));
      event.preventDefault();
    } else if (event.key === "m") byId("shown").click();
    else if (event.key === "n" && result.next) location.assign(result.next);
    else if (event.key === "p" && result.previous) location.assign(result.previous);
  }, true);
  // who chose by the mouse wants the arrow keys for the slices
  for (const label of document.querySelectorAll("#views label, #sequences label")) {
    label.addEventListener("pointerup", () => setTimeout(() => document.activeElement.blur()));
  }
}

async function main() {
  const result = await fetchResult();
  steerCases(result);
  if (result.error) {
    byId("case").textContent = result.case;
    fail(result.error);
    return;
  }
  describe(result);
  if (!document.createElement("canvas").getContext("webgl2")) {
    fail("This browser cannot draw the scan: it has no WebGL 2, or it is switched off. The figures are those of the " +
      "result all the same; another browser, or one with hardware acceleration switched on, shows the picture.");
    return;
  }
  const nv = new niivue.Niivue(OPTIONS);
  const at = await draw(nv, result);
  steerSlices(nv, result);
  steerSequences(nv, result);
  steerAngles(nv, result);
  steerViews(nv, steerMask(nv, at));
  steerSaving(nv, result);
  steerKeys(result);
  document.body.dataset.grid = nv.volumes[0].dimsRAS.slice(1, 4).join(" ");
  document.body.dataset.tumourVoxels = nv.volumes[at.mask].img.reduce((sum, value) => sum + (value > 0), 0);
  requestAnimationFrame(() => requestAnimationFrame(() => { document.body.dataset.state = "ready"; }));
}

byId("controls").addEventListener("submit", (event) => event.preventDefault());
main().catch((error) => fail(`The scan could not be drawn (${error.message}); is brainseg view still running?`));
