/** The photo, its numbered objects, and the area a person draws on it. */
import { hotspotLabel, regionName } from "../format.js";
import { apart, between, isMeant, toShares } from "../geometry.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { Crop } from "./crop.js";
import { Icon } from "./icons.js";

const GAP_PX = 38; // hotspots are 34 px wide: a gap of 4 between any two
const DRAG_PX = 8;
/** Where an area begins, while no object is chosen. */
const MIDDLE = /** @type {[number, number, number, number]} */ ([0.3, 0.3, 0.7, 0.7]);

/** @typedef {import("../geometry.js").Box} Box */

/** The size of an element as it is shown. @param {{current: HTMLElement | null}} ref */
function useSize(ref) {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    if (!ref.current) return undefined;
    const watcher = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      setSize({ width, height });
    });
    watcher.observe(ref.current);
    return () => watcher.disconnect();
  }, []);
  return size;
}

/**
 * @param {{photo: import("../photo.js").Photo, look: import("../format.js").Look | null,
 *   target: import("../state.js").Target, box: Box | null, busy: boolean, sent: number | null, drawing: boolean,
 *   setDrawing: (on: boolean) => void, select: (target: import("../state.js").Target) => void,
 *   setBox: (box: Box | null) => void, say: (text: string) => void}} props
 */
export function Stage({ photo, look, target, box, busy, sent, drawing, setDrawing, select, setBox, say }) {
  const frame = useRef(/** @type {HTMLElement | null} */ (null));
  const section = useRef(/** @type {HTMLElement | null} */ (null));
  const size = useSize(frame);
  // the button that was pressed is gone with the first screen: Tab goes on at the photo's objects
  useEffect(() => section.current?.focus({ preventScroll: true }), []);
  const [hovered, setHovered] = useState(/** @type {number | null} */ (null));
  const [draft, setDraft] = useState(/** @type {Box | null} */ (box));
  useEffect(() => setDraft(box), [box]);
  const scene = look?.scene ?? photo;
  const marks = (look?.regions ?? [])
    .map((region, index) => ({ region, index, box: toShares(region.box, scene.width, scene.height) }))
    .filter((mark) => mark.region.kind !== "whole");
  const centres = apart(
    marks.map((mark) => ({
      x: ((mark.box[0] + mark.box[2]) / 2) * size.width,
      y: ((mark.box[1] + mark.box[3]) / 2) * size.height,
    })),
    { gap: GAP_PX, width: size.width, height: size.height, margin: 20 },
  );
  const outlined = marks.find((mark) => mark.index === (hovered ?? target));

  const chosen = marks.find((mark) => mark.index === target);
  const tool = useRef(/** @type {HTMLElement | null} */ (null));
  // an object's box is a good beginning: it is moved and resized like any other area
  const draw = () => {
    setDraft(box ?? chosen?.box ?? MIDDLE);
    setDrawing(true);
  };

  const pointAt = (/** @type {PointerEvent} */ event) => {
    const place = /** @type {HTMLElement} */ (frame.current).getBoundingClientRect();
    return { x: (event.clientX - place.left) / place.width, y: (event.clientY - place.top) / place.height };
  };

  // A mouse draws at once; a finger scrolls the page unless drawing was asked for.
  const onPointerDown = (/** @type {PointerEvent} */ event) => {
    const free = /** @type {HTMLElement} */ (event.target).closest(".hotspot, .crop") === null;
    if (!free || event.button !== 0) return;
    const draws = event.pointerType !== "touch" || drawing;
    const [from, x, y] = [pointAt(event), event.clientX, event.clientY];
    let drawn = /** @type {Box | null} */ (null);
    if (draws) event.preventDefault();
    const onMove = (/** @type {PointerEvent} */ now) => {
      if (!draws || (!drawn && Math.hypot(now.clientX - x, now.clientY - y) < DRAG_PX)) return;
      drawn = between(from, pointAt(now));
      setDraft(drawn);
    };
    const onEnd = (/** @type {PointerEvent} */ now) => {
      window.removeEventListener("pointermove", onMove);
      window.removeEventListener("pointerup", onEnd);
      window.removeEventListener("pointercancel", onEnd);
      if (drawn && isMeant(drawn)) {
        setDrawing(true);
        setBox(drawn);
      } else if (drawn) {
        setDraft(box);
      } else if (now.type === "pointerup" && Math.hypot(now.clientX - x, now.clientY - y) < DRAG_PX) {
        tap(from);
      }
    };
    window.addEventListener("pointermove", onMove);
    window.addEventListener("pointerup", onEnd);
    window.addEventListener("pointercancel", onEnd);
  };

  // A tap chooses the smallest object it is in.
  const tap = (/** @type {{x: number, y: number}} */ { x, y }) => {
    const area = (/** @type {Box} */ [x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
    const under = marks
      .filter((mark) => x >= mark.box[0] && x <= mark.box[2] && y >= mark.box[1] && y <= mark.box[3])
      .sort((a, b) => area(a.box) - area(b.box));
    if (under.length) select(under[0].index);
  };

  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const buttons = [.../** @type {HTMLElement} */ (frame.current).querySelectorAll(".hotspot")];
    const at = buttons.indexOf(/** @type {Element} */ (document.activeElement));
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const ends = { Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || (step === undefined && ends === undefined)) return;
    event.preventDefault();
    const next = ends ?? (at + /** @type {number} */ (step) + buttons.length) % buttons.length;
    /** @type {HTMLElement} */ (buttons[next]).focus();
  };

  const stop = () => {
    setDrawing(false);
    setDraft(null);
    setBox(null);
    // what had the focus goes: the button that brings it back has it
    tool.current?.focus({ preventScroll: true });
  };

  const place = (/** @type {Box} */ [x1, y1, x2, y2]) => ({
    left: `${x1 * 100}%`, top: `${y1 * 100}%`, width: `${(x2 - x1) * 100}%`, height: `${(y2 - y1) * 100}%`,
  });
  const cropped = drawing || (box && target === "area") ? draft : null;
  // a number under the area could not be pressed, and would hide what is in it
  const covered = (/** @type {{x: number, y: number}} */ { x, y }) => cropped !== null
    && x > cropped[0] * size.width - GAP_PX && x < cropped[2] * size.width + GAP_PX
    && y > cropped[1] * size.height - GAP_PX && y < cropped[3] * size.height + GAP_PX;
  const [wide, high] = photo.url || !look?.scene ? [photo.width, photo.height] : [look.scene.width, look.scene.height];
  return html`
    <section class="stage" aria-label="Your photo" tabindex="-1" ref=${section}>
      <div class=${`stage-frame ${busy ? "is-busy" : ""} ${drawing ? "is-drawing" : ""}`} ref=${frame}
        style=${{ "--ratio": String(wide / high) }}
        onPointerDown=${onPointerDown} onKeyDown=${onKeyDown}>
        ${photo.url
          ? html`<img class="stage-photo" src=${photo.url} alt="The photo you gave" draggable=${false} />`
          : html`<p class="stage-blank">${busy ? "Your photo is on its way. It is shown as soon as the service has read it." : "This photo cannot be shown here; its objects can be chosen all the same."}</p>`}
        ${!cropped && draft && html`<div class="drawn" style=${place(draft)}></div>`}
        ${outlined && !cropped && html`<div class=${`outline ${outlined.index === target ? "is-chosen" : ""}`} style=${place(outlined.box)}></div>`}
        ${marks.map((mark, order) => !covered(centres[order]) && html`
          <button type="button" key=${mark.region.key}
            class=${`hotspot ${mark.index === target ? "is-chosen" : ""}`}
            style=${{ left: `${centres[order].x}px`, top: `${centres[order].y}px` }}
            aria-label=${hotspotLabel(mark.region)} aria-pressed=${mark.index === target ? "true" : "false"}
            title=${regionName(mark.region)}
            onPointerEnter=${() => setHovered(mark.index)} onPointerLeave=${() => setHovered(null)}
            onFocus=${() => setHovered(mark.index)} onBlur=${() => setHovered(null)}
            onClick=${() => select(mark.index === target ? "all" : mark.index)}>
            <span>${mark.region.number}</span>
          </button>`)}
        ${cropped && html`
          <${Crop} box=${cropped} size=${size} say=${say} onDraft=${setDraft} onDone=${setBox} onRemove=${stop} />`}
        ${busy && (sent === null || sent >= 1) && html`<div class="scan" aria-hidden="true"></div>`}
        ${busy && sent !== null && sent < 1 && html`
          <div class="sending"><label for="sending">Sending the photo</label><progress id="sending" max="1" value=${sent}></progress></div>`}
      </div>
      <div class=${`stage-tools ${cropped ? "is-cropping" : ""}`}>
        <button type="button" class=${`pill ${cropped ? "is-on" : ""}`} aria-pressed=${cropped ? "true" : "false"} ref=${tool}
          onClick=${() => (cropped ? stop() : draw())}>
          <${Icon} name="area" /><span>${cropped ? "Remove area" : chosen ? "Move or resize its box" : "Search an area"}</span>
        </button>
        ${cropped && html`
          <button type="button" class="button is-small" onClick=${() => setBox([...cropped])}>Search this area</button>`}
        <p class="hint" id="crop-help">
          ${cropped
            ? "Drag it, or its corners. Arrow keys move it, Shift and arrow keys resize it, Enter searches."
            : "Choose a number, or draw around anything."}
        </p>
      </div>
    </section>`;
}
