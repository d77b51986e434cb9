/** All photos of a product, one of them large; a press brings it nearer, and the pointer moves it. */
import { html, useEffect, useRef, useState } from "../lib.js";
import { Icon } from "./icons.js";
import { Picture } from "./picture.js";

const NEAR = 2.5;
const STEP = 0.15;

/** The same picture, larger. @param {string} path @param {number} width */
const wide = (path, width) => path.replace(/width=\d+/, `width=${width}`);

/** @param {{photos: string[], title: string}} props */
export function Gallery({ photos, title }) {
  const [at, setAt] = useState(0);
  const [near, setNear] = useState(false);
  const frame = useRef(/** @type {HTMLElement | null} */ (null));
  const place = useRef({ x: 0.5, y: 0.5 });
  useEffect(() => { setAt(0); setNear(false); }, [photos[0]]);
  if (!photos.length) return html`<div class="gallery"><${Picture} path=${null} alt="" /></div>`;

  const show = (/** @type {number} */ x, /** @type {number} */ y) => {
    place.current = { x: Math.min(Math.max(x, 0), 1), y: Math.min(Math.max(y, 0), 1) };
    // by the object model, which the page's policy allows
    frame.current?.style.setProperty("--x", `${place.current.x * 100}%`);
    frame.current?.style.setProperty("--y", `${place.current.y * 100}%`);
  };
  const onPointer = (/** @type {PointerEvent} */ event) => {
    if (!near || !frame.current) return;
    const box = frame.current.getBoundingClientRect();
    show((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!near || !by) return;
    event.preventDefault();
    show(place.current.x + by[0] * STEP, place.current.y + by[1] * STEP);
  };
  const shownAt = Math.min(at, photos.length - 1);
  return html`
    <div class="gallery">
      <button type="button" class=${`gallery-main ${near ? "is-near" : ""}`} ref=${frame} aria-pressed=${near ? "true" : "false"}
        aria-label=${near ? "Whole picture (arrow keys move it)" : "Look closer"} style=${{ "--near": String(NEAR) }}
        onClick=${(/** @type {PointerEvent} */ event) => { setNear(!near); if (!near && event.detail) requestAnimationFrame(() => onPointer(event)); }}
        onPointerMove=${onPointer} onKeyDown=${onKeyDown}>
        <${Picture} path=${wide(photos[shownAt], near ? 1280 : 640)} alt=${title} />
        <span class="gallery-hint" aria-hidden="true"><${Icon} name="zoom" /></span>
      </button>
      ${photos.length > 1 && html`
        <ul class="gallery-row">${photos.map((path, i) => html`
          <li key=${path}><button type="button" class=${i === shownAt ? "is-on" : ""} aria-pressed=${i === shownAt ? "true" : "false"}
            aria-label=${`Photo ${i + 1} of ${photos.length}`} onClick=${() => { setAt(i); setNear(false); }}><${Picture} path=${path} alt="" /></button></li>`)}</ul>`}
    </div>`;
}
