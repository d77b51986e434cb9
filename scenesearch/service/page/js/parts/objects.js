/** The objects of the photo in a row, and the look as a whole. */
import { counted, isWeak, regionName } from "../format.js";
import { toShares } from "../geometry.js";
import { html, useEffect, useRef } from "../lib.js";
import { Icon } from "./icons.js";
import { Thumb } from "./thumb.js";

/**
 * @param {{photo: import("../photo.js").Photo, look: import("../format.js").Look | null,
 *   target: import("../state.js").Target, box: import("../geometry.js").Box | null,
 *   select: (target: import("../state.js").Target) => void}} props
 */
export function Objects({ photo, look, target, box, select }) {
  const row = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    // by hand: scrollIntoView would scroll the page as well
    const list = row.current;
    const chosen = /** @type {HTMLElement | null} */ (list?.querySelector(".is-chosen") ?? null);
    if (list && chosen) list.scrollLeft = chosen.offsetLeft - list.clientWidth / 2 + chosen.offsetWidth / 2;
  }, [target, look]);
  if (!look) {
    return html`<div class="objects is-loading" aria-hidden="true">${[1, 2, 3, 4].map((n) => html`<span class="object-chip skeleton" key=${n}></span>`)}</div>`;
  }
  const scene = look.scene ?? photo;
  const chip = (/** @type {import("../state.js").Target} */ to, /** @type {any} */ picture,
    /** @type {string} */ name, /** @type {string} */ more) => html`
    <li key=${to}><button type="button" class=${`object-chip ${to === target ? "is-chosen" : ""}`}
      aria-pressed=${to === target ? "true" : "false"} onClick=${() => select(to)}>
      ${picture}
      <span class="object-words"><span class="object-name"><bdi>${name}</bdi></span><span class="object-more"><bdi>${more}</bdi></span></span>
    </button></li>`;
  return html`
    <nav aria-label="Objects in the photo">
      <ul class="objects" ref=${row}>
        ${chip("all", html`<span class="thumb is-icon"><${Icon} name="look" /></span>`, "Whole look",
          counted(look.regions.length, "object"))}
        ${box && chip("area", html`<${Thumb} url=${photo.url} box=${box} />`, "Your area", "drawn by you")}
        ${look.regions.map((region, index) => chip(
          index, html`<${Thumb} url=${photo.url} box=${toShares(region.box, scene.width, scene.height)} />`,
          `${region.number}. ${regionName(region)}`, region.matches.length && region.matches.every(isWeak) ? "nothing of its kind" : counted(region.matches.length, "match", "matches")))}
      </ul>
    </nav>`;
}
