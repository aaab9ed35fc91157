// One slice: runs of pixels, the brush while it is drawn, and the picture.

const BLUE = [86, 180, 233, 60]; // sky blue of Okabe and Ito 2008, which all readers tell from grey
const EDGE = [86, 180, 233, 255];
const RED = [213, 94, 0, 255]; // vermilion of the same palette
const YELLOW = [255, 212, 121, 255];

// Turn pixels over: start, length, start, length, ...
export function turn(plane, runs) {
  for (let i = 0; i < runs.length; i += 2) {
    for (let at = runs[i]; at < runs[i] + runs[i + 1]; at += 1) plane[at] ^= 1;
  }
}

export function planesOf(runsBySlice, size) {
  const planes = new Map();
  for (const [slice, runs] of Object.entries(runsBySlice)) {
    planes.set(+slice, new Uint8Array(size));
    turn(planes.get(+slice), runs);
  }
  return planes;
}

// What the server will make of a stroke: pixels no further than the radius from the line.
export function paint(plane, width, height, points, radius, value) {
  const segments = points.length > 1 ? points.slice(1).map((end, i) => [points[i], end]) : [[points[0], points[0]]];
  for (const [[r0, c0], [r1, c1]] of segments) {
    const [dr, dc] = [r1 - r0, c1 - c0];
    const length = dr * dr + dc * dc;
    const bottom = Math.min(height - 1, Math.ceil(Math.max(r0, r1) + radius));
    const right = Math.min(width - 1, Math.ceil(Math.max(c0, c1) + radius));
    for (let r = Math.max(0, Math.floor(Math.min(r0, r1) - radius)); r <= bottom; r += 1) {
      for (let c = Math.max(0, Math.floor(Math.min(c0, c1) - radius)); c <= right; c += 1) {
        const share = length ? Math.min(1, Math.max(0, ((r - r0) * dr + (c - c0) * dc) / length)) : 0;
        if ((r - r0 - share * dr) ** 2 + (c - c0 - share * dc) ** 2 <= radius * radius) plane[r * width + c] = value;
      }
    }
  }
}

export function drawGrey(canvas, pixels) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  for (let i = 0; i < pixels.length; i += 1) picture.data.set([pixels[i], pixels[i], pixels[i], 255], 4 * i);
  context.putImageData(picture, 0, 0);
}

// The mask, the outline of the automatic one, and crosses where clicks were.
export function drawMask(canvas, mask, automatic, clicks) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  const put = (row, column, colour) => {
    if (row >= 0 && row < height && column >= 0 && column < width) picture.data.set(colour, 4 * (row * width + column));
  };
  const inside = (plane, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    return row > 0 && row < height - 1 && column > 0 && column < width - 1
      && plane[i - 1] && plane[i + 1] && plane[i - width] && plane[i + width];
  };
  for (let i = 0; mask && i < mask.length; i += 1) if (mask[i]) picture.data.set(inside(mask, i) ? BLUE : EDGE, 4 * i);
  for (let i = 0; automatic && i < automatic.length; i += 1) {
    if (automatic[i] && !inside(automatic, i)) picture.data.set(RED, 4 * i);
  }
  for (const { row, column, tumour } of clicks) {
    for (const step of [-1, 0, 1]) {
      put(row, column + step, YELLOW);
      if (tumour) put(row + step, column, YELLOW);
    }
  }
  context.putImageData(picture, 0, 0);
}

// A bar a slice: tumour in it, what was done to it, whether it is in doubt.
export function drawStrip(canvas, count, here, has, marks, doubtful) {
  canvas.width = Math.max(count, Math.round(canvas.clientWidth));
  const context = canvas.getContext("2d");
  const step = canvas.width / count;
  const colours = { corrected: "#ffd479", accepted: "#7fd18b", cleared: "#b3bdca" };
  const bar = (i, top, height, colour) => {
    context.fillStyle = colour;
    context.fillRect(i * step, top, Math.max(1, step - 1), height);
  };
  for (let i = 0; i < count; i += 1) {
    bar(i, 0, canvas.height, i === here ? "#5a6472" : "#1d2229");
    if (has(i)) bar(i, 6, 5, "#56b4e9");
    if (colours[marks[i]]) bar(i, 12, 4, colours[marks[i]]);
    if (doubtful.includes(i)) bar(i, 0, 4, "#d55e00");
  }
}
