// The page of one result: facts beside the picture, and controls that steer NiiVue.
"use strict";

const byId = (id) => document.getElementById(id);
const VIEWS = { axial: 0, coronal: 1, sagittal: 2, all: 3, render: 4 }; // NiiVue's SLICE_TYPE
const BLUE = [86, 180, 233]; // sky blue of Okabe and Ito 2008, which all readers tell from grey
const RED = [213, 94, 0]; // vermilion of the same palette, which is no colour of the crosshair
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

async function draw(nv, result) {
  await nv.attachToCanvas(byId("canvas"), true);
  const grey = [0, 36, 110, 255]; // in 3-D the noise around the head is as clear as air
  nv.addColormap("scan", { R: grey, G: grey, B: grey, A: [0, 0, 60, 160], I: grey });
  for (const [name, [r, g, b]] of [["tumour", BLUE], ["unsure", RED]]) {
    nv.addColormap(name, { R: [r, r], G: [g, g], B: [b, b], A: [0, 255], I: [0, 255] });
  }
  const overlay = { cal_min: 0, cal_max: 1, opacity: 0 };
  await nv.loadVolumes([
    { url: "flair.nii.gz", name: "flair.nii.gz", colormap: "scan" },
    { url: "mask.nii.gz", name: "mask.nii.gz", colormap: "tumour", ...overlay },
    ...(result.edge ? [{ url: "edge.nii.gz", name: "edge.nii.gz", colormap: "unsure", ...overlay }] : []),
  ]);
  await nv.setVolumeRenderIllumination(0.5);
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

function steerViews(nv) {
  const show = (name) => {
    byId("places").hidden = name === "render";
    byId("angles").hidden = name !== "render";
    nv.setSliceType(VIEWS[name]);
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

function steerMask(nv) {
  const [shown, opacity] = [byId("shown"), byId("opacity")];
  const apply = () => {
    opacity.nextElementSibling.textContent = `${opacity.value} %`;
    nv.setOpacity(1, shown.checked ? opacity.value / 100 : 0);
  };
  shown.addEventListener("change", apply);
  opacity.addEventListener("input", apply);
  apply();
}

function steerEdge(nv, result) {
  byId("unsure").hidden = !result.edge;
  if (!result.edge) return;
  const apply = () => nv.setOpacity(2, byId("edge").checked ? 0.6 : 0);
  byId("edge").addEventListener("change", apply);
  apply();
}

async function main() {
  const result = await fetchResult();
  describe(result);
  if (!document.createElement("canvas").getContext("webgl2")) {
    fail("This browser cannot draw the scan: it has no WebGL 2, or it is switched off. The figures are those of the " +
      "result all the same; another browser, or one with hardware acceleration switched on, shows the picture.");
    return;
  }
  const nv = new niivue.Niivue(OPTIONS);
  await draw(nv, result);
  steerMask(nv);
  steerEdge(nv, result);
  steerSlices(nv, result);
  steerAngles(nv, result);
  steerViews(nv);
  document.body.dataset.grid = nv.volumes[0].dimsRAS.slice(1, 4).join(" ");
  document.body.dataset.tumourVoxels = nv.volumes[1].img.reduce((sum, value) => sum + (value > 0), 0);
  requestAnimationFrame(() => requestAnimationFrame(() => { document.body.dataset.state = "ready"; }));
}

byId("controls").addEventListener("submit", (event) => event.preventDefault());
main().catch((error) => fail(`The scan could not be drawn (${error.message}); is brainseg view still running?`));
