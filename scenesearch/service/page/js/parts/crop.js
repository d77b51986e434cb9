/**
 * The area a person draws: moved and resized by mouse, touch and keys.
 *
 * One button is the whole area: arrow keys move it, with Shift they resize it. The eight handles
 * are for pointers, and do nothing keys could not do.
 */
import { inWords, keyed, moved, resized } from "../geometry.js";
import { html, useEffect, useRef } from "../lib.js";

const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const STEP = 0.02;
const SETTLE_MS = 900;

/**
 * @param {{box: import("../geometry.js").Box, size: {width: number, height: number},
 *   onDraft: (box: import("../geometry.js").Box) => void, onDone: (box: import("../geometry.js").Box) => void,
 *   onRemove: () => void, say: (text: string) => void}} props
 */
export function Crop({ box, size, onDraft, onDone, onRemove, say }) {
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const timer = useRef(0);
  const latest = useRef(box);
  latest.current = box;
  useEffect(() => {
    button.current?.focus({ preventScroll: true });
    return () => clearTimeout(timer.current);
  }, []);

  const drag = (/** @type {PointerEvent} */ event, /** @type {string | null} */ handle) => {
    if (event.button !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    button.current?.focus({ preventScroll: true });
    const target = /** @type {HTMLElement} */ (event.currentTarget);
    const [from, x, y] = [latest.current, event.clientX, event.clientY];
    let to = from;
    target.setPointerCapture(event.pointerId);
    const onMove = (/** @type {PointerEvent} */ now) => {
      const [dx, dy] = [(now.clientX - x) / size.width, (now.clientY - y) / size.height];
      to = handle ? resized(from, handle, dx, dy) : moved(from, dx, dy);
      onDraft(to);
    };
    const onEnd = () => {
      target.removeEventListener("pointermove", onMove);
      target.removeEventListener("pointerup", onEnd);
      target.removeEventListener("pointercancel", onEnd);
      if (to !== from) onDone(to);
    };
    target.addEventListener("pointermove", onMove);
    target.addEventListener("pointerup", onEnd);
    target.addEventListener("pointercancel", onEnd);
  };

  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      clearTimeout(timer.current);
      onDone(latest.current);
      return;
    }
    if (event.key === "Delete" || event.key === "Backspace" || event.key === "Escape") {
      event.preventDefault();
      clearTimeout(timer.current);
      onRemove();
      return;
    }
    const next = keyed(latest.current, event.key, event.shiftKey, event.altKey ? STEP / 4 : STEP);
    if (!next) return;
    event.preventDefault();
    onDraft(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      say(`Area ${inWords(next)}`);
      onDone(next);
    }, SETTLE_MS);
  };

  const [x1, y1, x2, y2] = box;
  const place = {
    left: `${x1 * 100}%`, top: `${y1 * 100}%`,
    width: `${(x2 - x1) * 100}%`, height: `${(y2 - y1) * 100}%`,
  };
  return html`
    <div class="crop" style=${place}>
      <button type="button" class="crop-move" ref=${button} onKeyDown=${onKeyDown}
        onPointerDown=${(/** @type {PointerEvent} */ event) => drag(event, null)}
        aria-label=${`Area to search, ${inWords(box)}`} aria-describedby="crop-help"></button>
      ${HANDLES.map((handle) => html`
        <span key=${handle} class=${`crop-handle at-${handle}`} aria-hidden="true"
          onPointerDown=${(/** @type {PointerEvent} */ event) => drag(event, handle)}></span>`)}
    </div>`;
}
