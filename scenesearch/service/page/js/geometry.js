/**
 * Boxes and points as plain numbers: no DOM.
 *
 * A box is [x1, y1, x2, y2] as shares of the photo (0 to 1), so that it means the same at every
 * size the photo is shown at.
 *
 * @typedef {[number, number, number, number]} Box
 * @typedef {{x: number, y: number}} Point
 */

/** The smallest side of a box a person can make, as a share of the photo. */
export const SMALLEST = 0.03;

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * A box in pixels as shares of its photo.
 * @param {number[]} box @param {number} width @param {number} height @returns {Box}
 */
export function toShares(box, width, height) {
  const [x1, y1, x2, y2] = box;
  return [
    clamp(x1 / width, 0, 1), clamp(y1 / height, 0, 1),
    clamp(x2 / width, 0, 1), clamp(y2 / height, 0, 1),
  ];
}

/** Five digits are finer than a pixel of any photo we send. @param {Box} box @returns {Box} */
export const rounded = (box) => /** @type {Box} */ (box.map((side) => Math.round(side * 1e5) / 1e5));

/** The box between two corners, in whatever order they were drawn. @param {Point} a @param {Point} b @returns {Box} */
export function between(a, b) {
  return [
    clamp(Math.min(a.x, b.x), 0, 1), clamp(Math.min(a.y, b.y), 0, 1),
    clamp(Math.max(a.x, b.x), 0, 1), clamp(Math.max(a.y, b.y), 0, 1),
  ];
}

/** Whether a box is large enough to be meant. @param {Box} box */
export const isMeant = ([x1, y1, x2, y2]) => x2 - x1 >= SMALLEST && y2 - y1 >= SMALLEST;

/** Moves a box, whole, as far as the photo's edge. @param {Box} box @param {number} dx @param {number} dy @returns {Box} */
export function moved([x1, y1, x2, y2], dx, dy) {
  const right = clamp(dx, -x1, 1 - x2);
  const down = clamp(dy, -y1, 1 - y2);
  return [x1 + right, y1 + down, x2 + right, y2 + down];
}

/**
 * Moves the edges that a handle names ("n", "se", ...), never past the opposite one.
 * @param {Box} box @param {string} handle @param {number} dx @param {number} dy @returns {Box}
 */
export function resized([x1, y1, x2, y2], handle, dx, dy) {
  return [
    handle.includes("w") ? clamp(x1 + dx, 0, x2 - SMALLEST) : x1,
    handle.includes("n") ? clamp(y1 + dy, 0, y2 - SMALLEST) : y1,
    handle.includes("e") ? clamp(x2 + dx, x1 + SMALLEST, 1) : x2,
    handle.includes("s") ? clamp(y2 + dy, y1 + SMALLEST, 1) : y2,
  ];
}

/**
 * What an arrow key does to a box: moves it; with shift, moves its right and lower edges.
 * @param {Box} box @param {string} key @param {boolean} shift @param {number} step
 * @returns {Box | null} null for any other key
 */
export function keyed(box, key, shift, step) {
  const dx = key === "ArrowRight" ? step : key === "ArrowLeft" ? -step : 0;
  const dy = key === "ArrowDown" ? step : key === "ArrowUp" ? -step : 0;
  if (dx === 0 && dy === 0) return null;
  return shift ? resized(box, "se", dx, dy) : moved(box, dx, dy);
}

/** A box in words, for people who cannot see it. @param {Box} box */
export function inWords([x1, y1, x2, y2]) {
  const percent = (/** @type {number} */ share) => `${Math.round(share * 100)} %`;
  return `${percent(x1)} from the left, ${percent(y1)} from the top, `
    + `${percent(x2 - x1)} wide, ${percent(y2 - y1)} high`;
}

/**
 * @typedef {{gap: number, width: number, height: number, margin?: number}} Room
 */

/**
 * Moves points apart until none is nearer to another than a gap, each as little as possible, and
 * keeps them inside. Pairs push each other away in turn, which settles within a few rounds unless
 * a photo is crowded; then each point takes the nearest free place of a grid, which always ends.
 * Points at the same place part along a fixed direction, so the same photo always looks the same.
 *
 * @param {Point[]} points in pixels @param {Room} room @returns {Point[]}
 */
export function apart(points, { gap, width, height, margin = gap / 2 }) {
  const inside = (/** @type {Point} */ { x, y }) => ({
    x: clamp(x, margin, Math.max(margin, width - margin)),
    y: clamp(y, margin, Math.max(margin, height - margin)),
  });
  const placed = points.map(inside);
  for (let round = 0; round < ROUNDS; round += 1) {
    let settled = true;
    for (let i = 0; i < placed.length; i += 1) {
      for (let j = i + 1; j < placed.length; j += 1) {
        const pair = pushed(placed[i], placed[j], gap, j);
        if (!pair) continue;
        [placed[i], placed[j]] = pair.map(inside);
        settled = false;
      }
    }
    if (settled) return placed;
  }
  return onGrid(points.map(inside), { gap, width, height, margin });
}

const ROUNDS = 100;
/** Near the golden angle: several points at one place fan out evenly. */
const FAN = 2.4;

/**
 * Two points, each half of what is missing further away; null where nothing is.
 * @param {Point} a @param {Point} b @param {number} gap @param {number} order tells equal points apart
 * @returns {[Point, Point] | null}
 */
function pushed(a, b, gap, order) {
  const distance = Math.hypot(b.x - a.x, b.y - a.y);
  if (distance >= gap - 0.01) return null;
  const same = distance < 1e-6;
  const dx = same ? Math.cos(FAN * order) : (b.x - a.x) / distance;
  const dy = same ? Math.sin(FAN * order) : (b.y - a.y) / distance;
  const push = (gap - distance) / 2;
  return [
    { x: a.x - dx * push, y: a.y - dy * push },
    { x: b.x + dx * push, y: b.y + dy * push },
  ];
}

/**
 * Each point on the nearest place of a grid that no earlier one took; where there are more points
 * than places, the rest stay where they are.
 * @param {Point[]} points @param {Required<Room>} room @returns {Point[]}
 */
function onGrid(points, { gap, width, height, margin }) {
  const steps = (/** @type {number} */ side) => Math.max(1, Math.floor((side - 2 * margin) / gap) + 1);
  const [columns, rows] = [steps(width), steps(height)];
  const free = Array.from({ length: columns * rows }, (_, i) => ({
    x: margin + (i % columns) * gap, y: margin + Math.floor(i / columns) * gap,
  }));
  return points.map((point) => {
    if (!free.length) return point;
    const far = free.map((place) => Math.hypot(place.x - point.x, place.y - point.y));
    return free.splice(far.indexOf(Math.min(...far)), 1)[0];
  });
}
