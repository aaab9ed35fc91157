// The page of the editor: it shows the open case, and asks the server for every change.
import { drawGrey, drawMask, drawStrip, paint, planesOf, turn } from "./slice.js";

const byId = (id) => document.getElementById(id);
const TOKEN = document.querySelector("meta[name=token]").content;
const NAMES = { flair: "FLAIR", pre: "T1", post: "T1 with contrast agent" };
const KEPT_PICTURES = 64;
const NEAR = [0, 1, -1, 2, -2]; // slices whose pictures are fetched ahead

let open = null; // the case, as the server says
let mask, automatic; // slice -> Uint8Array of 0 and 1
let counts; // slice -> pixels of its mask
let frame = 0; // a picture that is due
let at = { slice: 0, row: 0, column: 0 };
let stroke = null; // while the brush is down
let pending = 0; // strokes that the server has not answered
let preview = null; // the slice as it will be then
let queue = Promise.resolve(); // one request after another
const pictures = new Map();

const tool = () => document.querySelector("#tool input:checked").value;
const radius = () => +byId("radius").value;
const count = (pixels) => pixels.reduce((sum, value) => sum + value, 0);
const size = () => open.width * open.height;
const plane = (planes, slice) => planes.get(slice) ?? planes.set(slice, new Uint8Array(size())).get(slice);

// ---- what is said

const say = (text) => { byId("status").textContent = text; };

function complain(text) {
  byId("message").textContent = text;
  byId("message").hidden = !text;
}

function rows(id, pairs) {
  byId(id).replaceChildren(...pairs.flatMap((pair) => ["dt", "dd"].map((tag, i) => {
    const element = document.createElement(tag);
    element.textContent = pair[i];
    return element;
  })));
}

function list(id, texts) {
  byId(id).replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}

// ---- the server

async function ask(path, content) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Brainseg-Token": TOKEN },
      body: JSON.stringify(content),
    });
  } catch {
    document.body.dataset.state = "lost";
    throw new Error("brainseg edit does not answer any more. Start it again and open its address: all that was done before is kept.");
  }
  const said = await response.json();
  if (response.ok) return said;
  const error = new Error(said.error);
  error.stale = response.status === 409;
  throw error;
}

// Requests wait for each other: each says which state of the case it is meant for.
function request(make, then) {
  document.body.dataset.busy = "true";
  queue = queue.then(async () => {
    try {
      const said = await make();
      complain("");
      await then(said);
    } catch (error) {
      complain(error.message);
      if (error.stale) await ask("now", {}).then(show);
    }
  }).then(() => { document.body.dataset.busy = "false"; });
  return queue;
}

function act(step, done) {
  return request(
    () => ask("act", { case: open.index, after: open.lines, step }),
    (said) => {
      take(said);
      const slices = Object.keys(said.turned).length;
      say(`${done} ${slices ? `Slices changed: ${slices}.` : "Nothing changed."}`);
    },
  );
}

function take(said) {
  for (const [slice, runs] of Object.entries(said.turned)) {
    turn(plane(mask, +slice), runs);
    counts.set(+slice, count(mask.get(+slice)));
  }
  Object.assign(open, said);
  describe();
  nameSlice();
  draw();
}

// ---- the case

function show(said) {
  open = said;
  [mask, automatic] = [planesOf(said.mask, size()), planesOf(said.automatic, size())];
  counts = new Map([...mask].map(([slice, pixels]) => [slice, count(pixels)]));
  pictures.clear();
  [stroke, preview, pending] = [null, null, 0];
  for (const id of ["image", "canvas"]) [byId(id).width, byId(id).height] = [said.width, said.height];
  document.title = `${said.case} – brainseg edit`;
  byId("case").textContent = said.case;
  byId("worklist").hidden = said.cases.length < 2;
  byId("cases").replaceChildren(...said.cases.map(({ case: name, level, state }, i) => {
    const text = [name, level && `(${level})`, state && `– ${state}`].filter(Boolean).join(" ");
    return new Option(text, i, i === said.index, i === said.index);
  }));
  byId("previous").disabled = said.index === 0;
  byId("next").disabled = said.index === said.cases.length - 1;
  byId("annotator").value ||= said.annotator;
  byId("sequence").replaceChildren(...said.sequences.map((name) => new Option(NAMES[name], name, false, name === "flair")));
  byId("sequence").disabled = said.sequences.length < 2;
  byId("trust").hidden = !said.trust;
  if (said.trust) {
    byId("level").textContent = said.trust.level;
    byId("trust").dataset.level = said.trust.level;
    byId("dice").value = said.trust.dice;
    byId("expected").textContent = said.trust.text;
    list("reasons", said.trust.reasons);
  }
  rows("facts", said.facts);
  list("warnings", said.warnings);
  byId("remarks").hidden = said.warnings.length === 0;
  byId("doubt").hidden = said.doubtful.length === 0;
  [byId("slice").min, byId("slice").max] = [said.numbers[0], said.numbers.at(-1)];
  describe();
  layOut();
  go(said.start.slice, said.start.row, said.start.column);
}

function describe() {
  const many = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
  const marked = Object.values(open.marks).filter((mark) => !["carried", "interpolated"].includes(mark)).length;
  rows("now", [["Volume", open.size], ["Dice to the automatic", open.dice.toFixed(3)], ["Done by hand", `${many(marked, "slice")}, ${many(open.clicks.length, "click")}`]]);
  byId("undo").disabled = !open.can.undo;
  byId("redo").disabled = !open.can.redo;
  byId("save").disabled = open.nothing;
  byId("kept").textContent = open.saved ? "Saved."
    : open.nothing ? "Nothing was done yet." : "Every action is kept. The mask as it is now is not saved yet.";
  Object.assign(document.body.dataset, { lines: open.lines, saved: open.saved, case: open.case });
}

function openCase(index) {
  if (index < 0 || index >= open.cases.length) return;
  request(() => ask("open", { case: index }), (said) => { show(said); say(`Case ${said.case}.`); })
    .then(() => { byId("cases").value = open.index; });
}

function save() {
  request(
    () => ask("save", { case: open.index, after: open.lines, annotator: byId("annotator").value }),
    (said) => { take(said); open.cases[open.index].state = "saved"; byId("cases").options[open.index].text += " – saved"; say("Saved."); complain(said.unwritten.join(" ")); },
  );
}

// ---- the picture

async function picture(slice, name = byId("sequence").value) {
  const path = `${open.index}/${name}/${slice}`;
  if (!pictures.has(path)) {
    if (pictures.size > KEPT_PICTURES) pictures.delete(pictures.keys().next().value);
    pictures.set(path, fetch(path).then(async (response) => {
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    }));
    pictures.get(path).catch(() => pictures.delete(path));
  }
  return pictures.get(path);
}

async function drawImage() {
  const [slice, name, index] = [at.slice, byId("sequence").value, open.index];
  try {
    const pixels = await picture(slice, name);
    if (slice !== at.slice || name !== byId("sequence").value || index !== open.index) return;
    drawGrey(byId("image"), pixels);
    document.body.dataset.drawn = slice;
    document.body.dataset.state = "ready";
  } catch (error) {
    complain(`The slice could not be drawn (${error.message}); is brainseg edit still running?`);
  }
}

function draw() {
  const seen = preview ?? mask.get(at.slice);
  const clicks = open.clicks.filter((click) => click.slice === at.slice);
  drawMask(byId("canvas"), byId("shown").checked && seen, byId("outline").checked && automatic.get(at.slice), clicks);
  if (stroke) return;
  drawStrip(byId("strip"), open.numbers.length, at.slice, (i) => counts.get(i) > 0, open.marks, open.doubtful);
  document.body.dataset.voxels = [...counts.values()].reduce((sum, each) => sum + each, 0);
  document.body.dataset.here = counts.get(at.slice) ?? 0;
}

// A mouse says more places in a second than a screen shows.
function drawSoon() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    draw();
  });
}

function zoom() {
  layOut();
  const [stage, pointer] = [byId("stage"), byId("pointer")];
  stage.scrollTo(pointer.offsetLeft - stage.clientWidth / 2, pointer.offsetTop - stage.clientHeight / 2);
}

function layOut() {
  const stage = byId("stage");
  const tall = open.height * open.aspect;
  const fit = Math.min((stage.clientWidth - 20) / open.width, (stage.clientHeight - 20) / tall);
  const scale = Math.max(fit, 0.1) * byId("zoom").value;
  [byId("paper").style.width, byId("paper").style.height] = [`${open.width * scale}px`, `${tall * scale}px`];
  point();
}

// The pointer: a ring of the brush's size, or a small one.
function point() {
  const [x, y] = [(at.column + 0.5) / open.width, (at.row + 0.5) / open.height];
  const scale = byId("paper").clientWidth / open.width;
  const across = ["brush", "erase"].includes(tool()) ? 2 * radius() * scale : 9;
  Object.assign(byId("pointer").style, {
    left: `${x * 100}%`, top: `${y * 100}%`, width: `${across}px`, height: `${across}px`,
  });
  Object.assign(document.body.dataset, { row: Math.round(at.row), column: Math.round(at.column) });
}

function go(slice, row = at.row, column = at.column) {
  at.slice = Math.max(0, Math.min(open.numbers.length - 1, slice));
  at.row = Math.max(0, Math.min(open.height - 1, row));
  at.column = Math.max(0, Math.min(open.width - 1, column));
  if (pending === 0) preview = null;
  byId("slice").value = open.numbers[at.slice];
  document.body.dataset.slice = open.numbers[at.slice];
  nameSlice();
  point();
  draw();
  drawImage();
  for (const step of NEAR) if (at.slice + step >= 0 && at.slice + step < open.numbers.length) picture(at.slice + step).catch(() => {});
}

function nameSlice() {
  const doubt = open.doubtful.includes(at.slice) ? "in doubt" : "";
  byId("slice").nextElementSibling.textContent = [open.numbers[at.slice], open.marks[at.slice], doubt].filter(Boolean).join(", ");
}

const otherSlice = (step) => { endStroke(); go(at.slice + step); };

function nextDoubt() {
  endStroke();
  if (open.doubtful.length) go(open.doubtful.find((slice) => slice > at.slice) ?? open.doubtful[0]);
}

// ---- the tools

function placeOf(event) {
  const box = byId("canvas").getBoundingClientRect();
  const share = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
  return [share[0] * open.height - 0.5, share[1] * open.width - 0.5];
}

function use(row, column) {
  const place = { slice: at.slice, row: Math.round(row), column: Math.round(column) };
  switch (tool()) {
    case "tumour":
    case "healthy":
      say(open.clicks.length ? "Answering …" : "Answering … The first click waits until the scan is got ready.");
      act({ do: "click", ...place, tumour: tool() === "tumour" }, "Answered.");
      break;
    case "fill":
      act({ do: "fill", ...place }, "Filled.");
      break;
    case "brush":
    case "erase":
      beginStroke(row, column);
      endStroke();
  }
}

function beginStroke(row, column) {
  stroke = { do: tool(), slice: at.slice, radius: radius(), points: [] };
  preview ??= plane(mask, at.slice).slice();
  extend([row, column]);
}

function extend(place) {
  stroke.points.push(place);
  paint(preview, open.width, open.height, stroke.points.slice(-2), stroke.radius, stroke.do === "brush" ? 1 : 0);
  drawSoon();
  if (stroke.points.length < 2000) return;
  const more = stroke; // a very long line goes in parts
  endStroke();
  stroke = { ...more, points: [place] };
}

function endStroke() {
  if (!stroke) return;
  const step = stroke;
  stroke = null;
  pending += 1;
  act(step, step.do === "brush" ? "Drawn." : "Erased.").finally(() => {
    pending -= 1;
    if (pending === 0 && !stroke) {
      preview = null;
      draw();
    }
  });
}

function steerCanvas() {
  const canvas = byId("canvas");
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.focus({ preventScroll: true });
    const [row, column] = placeOf(event);
    go(at.slice, row, column);
    if (tool() === "move") {
      canvas.setPointerCapture(event.pointerId);
    } else if (["brush", "erase"].includes(tool())) {
      canvas.setPointerCapture(event.pointerId);
      beginStroke(row, column);
    } else {
      use(at.row, at.column);
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    const [row, column] = placeOf(event);
    if (tool() === "move" && event.buttons === 1 && event.pointerType === "mouse") {
      byId("stage").scrollBy(-event.movementX, -event.movementY);
    }
    [at.row, at.column] = [Math.max(0, Math.min(open.height - 1, row)), Math.max(0, Math.min(open.width - 1, column))];
    point();
    if (stroke) for (const each of event.getCoalescedEvents?.() ?? [event]) extend(placeOf(each));
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, endStroke);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) change("zoom", event.deltaY < 0 ? 0.5 : -0.5);
    else otherSlice(event.deltaY < 0 ? 1 : -1);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? 10 : 1;
    const step = { ArrowUp: [-far, 0], ArrowDown: [far, 0], ArrowLeft: [0, -far], ArrowRight: [0, far] }[event.key];
    if (step) go(at.slice, Math.round(at.row) + step[0], Math.round(at.column) + step[1]);
    else if (event.key === "Enter" || event.key === " ") use(at.row, at.column);
    else return;
    event.preventDefault();
  });
}

function change(id, step) {
  byId(id).value = +byId(id).value + step;
  byId(id).dispatchEvent(new Event("input"));
}

const choose = (name) => {
  document.querySelector(`#tool input[value=${name}]`).checked = true;
  takeTool();
};

function takeTool() {
  endStroke();
  byId("canvas").dataset.tool = tool();
  point();
}

const step = (name, done) => () => { endStroke(); act({ do: name, slice: at.slice }, done); };
const back = (name, done) => () => { endStroke(); act({ do: name }, done); };
const STEPS = {
  accept: step("accept", "The automatic mask of this slice is accepted."),
  clear: step("clear", "Cleared."),
  interpolate: step("interpolate", "Interpolated."),
  undo: back("undo", "Undone."),
  redo: back("redo", "Done again."),
};
const toggle = (id) => () => byId(id).click();
const image = (index) => () => {
  if (!open.sequences[index]) return;
  byId("sequence").value = open.sequences[index];
  drawImage();
};
const KEYS = {
  t: ["Click: tumour", () => choose("tumour")],
  n: ["Click: not tumour", () => choose("healthy")],
  b: ["Brush", () => choose("brush")],
  e: ["Eraser", () => choose("erase")],
  f: ["Fill", () => choose("fill")],
  v: ["Move the picture", () => choose("move")],
  "[": ["Smaller brush", () => change("radius", -1)],
  "]": ["Larger brush", () => change("radius", 1)],
  z: ["Undo", () => STEPS.undo()],
  y: ["Redo", () => STEPS.redo()],
  a: ["Accept the automatic mask of the slice", () => STEPS.accept()],
  c: ["Clear the slice", () => STEPS.clear()],
  i: ["Interpolate between corrected slices", () => STEPS.interpolate()],
  d: ["Next slice in doubt", nextDoubt],
  m: ["Show or hide the mask", toggle("shown")],
  o: ["Outline of the automatic mask", toggle("outline")],
  1: ["First image", image(0)],
  2: ["Second image", image(1)],
  3: ["Third image", image(2)],
  "+": ["Larger picture", () => change("zoom", 0.5)],
  "-": ["Smaller picture", () => change("zoom", -0.5)],
  s: ["Save", save],
  j: ["Next case", () => openCase(open.index + 1)],
  k: ["Previous case", () => openCase(open.index - 1)],
};
const WITH_CONTROL = ["z", "y", "s"];

function steerKeys() {
  rows("keys", [
    ["Arrows", "Move the pointer; with Shift by ten"],
    ["Enter", "Use the tool at the pointer"],
    ["Page Up", "Next slice"],
    ["Page Down", "Slice before"],
    ...Object.entries(KEYS).map(([key, [what]]) => [key.toUpperCase(), what]),
  ]);
  document.addEventListener("keydown", (event) => {
    if (!open || event.altKey || event.target.matches("input[type=text], select")) return;
    const key = event.key.toLowerCase();
    const control = event.ctrlKey || event.metaKey;
    if (event.key === "PageUp" || event.key === "PageDown") otherSlice(event.key === "PageUp" ? 1 : -1);
    else if (control && key === "z" && event.shiftKey) STEPS.redo();
    else if (KEYS[key] && (control ? WITH_CONTROL.includes(key) : byId("letters").checked || event.target === byId("canvas"))) KEYS[key][1]();
    else return;
    event.preventDefault();
  });
}

function steer() {
  for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());
  byId("saving").addEventListener("submit", save);
  for (const [name, go] of Object.entries(STEPS)) byId(name).addEventListener("click", go);
  byId("tool").addEventListener("change", takeTool);
  byId("previous").addEventListener("click", () => openCase(open.index - 1));
  byId("next").addEventListener("click", () => openCase(open.index + 1));
  byId("cases").addEventListener("change", (event) => openCase(+event.target.value));
  byId("doubt").addEventListener("click", nextDoubt);
  byId("slice").addEventListener("input", (event) => { endStroke(); go(open.numbers.indexOf(+event.target.value)); });
  for (const id of ["shown", "outline"]) byId(id).addEventListener("change", draw);
  byId("sequence").addEventListener("change", drawImage);
  const sliders = {
    radius: [(value) => `${value} px`, point],
    zoom: [(value) => `${value} ×`, zoom],
    contrast: [(value) => `${value} %`, () => { byId("image").style.filter = `contrast(${byId("contrast").value}%)`; }],
  };
  for (const [id, [words, then]] of Object.entries(sliders)) {
    const said = () => { byId(id).nextElementSibling.textContent = words(byId(id).value); };
    byId(id).addEventListener("input", () => { said(); then(); });
    said();
  }
  new ResizeObserver(() => { if (open) { layOut(); draw(); } }).observe(byId("stage"));
  byId("canvas").dataset.tool = tool();
  steerCanvas();
  steerKeys();
}

steer();
ask("now", {}).then(show).catch((error) => {
  complain(error.message);
  document.body.dataset.state = "failed";
});
