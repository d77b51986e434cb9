/** Why a product is there: its scores by part, the objects that earned it, what it stands for. */
import { attribute, partName, partsToShow, percent, priceOf, regionName, safeLink, titleOf } from "../format.js";
import { toShares } from "../geometry.js";
import { html } from "../lib.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icons.js";
import { Picture } from "./picture.js";
import { Thumb } from "./thumb.js";

const HIDDEN = new Set(["title", "url", "price", "currency", "description"]);
const FEW = 6;

/** @param {{name: string, value: number}} props */
const Bar = ({ name, value }) => html`
  <div class="bar">
    <dt>${partName(name)}</dt>
    <dd><span class="bar-track" aria-hidden="true"><span class=${`bar-fill ${value < 0 ? "is-against" : ""}`}
      style=${{ width: `${Math.min(Math.abs(value), 1) * 100}%` }}></span></span><span class="bar-value">${percent(value)}</span></dd>
  </div>`;

/**
 * @param {{match: import("../format.js").Match, look: import("../format.js").Look,
 *   photo: import("../photo.js").Photo | null, onClose: () => void}} props
 */
export function Why({ match, look, photo, onClose }) {
  const scene = look.scene ?? photo;
  const link = safeLink(match.attributes.url);
  const facts = Object.keys(match.attributes)
    .filter((name) => !HIDDEN.has(name) && attribute(match, name) !== "").slice(0, 12);
  const evidence = (/** @type {import("../format.js").Evidence} */ seen, /** @type {number} */ order) => {
    const region = look.regions[seen.region ?? -1];
    return html`
      <li key=${order} class="evidence">
        <div class="evidence-pair">
          ${region && photo && scene
            ? html`<${Thumb} url=${photo.url} box=${toShares(region.box, scene.width, scene.height)} />`
            : html`<span class="thumb is-icon"><${Icon} name="search" /></span>`}
          <${Picture} path=${seen.photo_url} alt="" />
        </div>
        <div class="evidence-words">
          <strong>${region ? `Object ${region.number}: ${regionName(region)}` : "Your words and examples"}</strong>
          <span>${partsToShow(seen.scores).map(([name, value]) => `${partName(name)} ${percent(value)}`).join(" · ")}</span>
        </div>
      </li>`;
  };
  return html`
    <${Dialog} title=${titleOf(match)} onClose=${onClose} kind="why">
      <div class="why-top">
        <${Picture} path=${match.photo_url ? match.photo_url.replace(/width=\d+/, "width=640") : null} alt=${titleOf(match)} />
        <div class="why-facts">
          ${priceOf(match) && html`<p class="card-price">${priceOf(match)}</p>`}
          ${attribute(match, "description") && html`<p>${attribute(match, "description")}</p>`}
          <dl class="facts">
            ${facts.map((name) => html`<div key=${name}><dt>${name.replaceAll("_", " ")}</dt><dd>${attribute(match, name)}</dd></div>`)}
            <div><dt>id</dt><dd>${match.item_id}</dd></div>
          </dl>
          ${link && html`<a class="button" href=${link} target="_blank" rel="noopener noreferrer nofollow">Open in the shop<${Icon} name="out" /></a>`}
        </div>
      </div>
      <section><h3>How alike</h3>
        <dl class="bars">${partsToShow(match.parts).map(([name, value]) => html`<${Bar} key=${name} name=${name} value=${value} />`)}</dl>
      </section>
      ${match.evidence.length > 0 && html`
        <section><h3>What earned it</h3><ul class="evidence-list">${match.evidence.slice(0, FEW).map(evidence)}</ul></section>`}
      ${match.variants.length > 0 && html`
        <section><h3>Also comes as</h3><ul class="variants">${match.variants.map((id) => html`<li key=${id}>${id}</li>`)}</ul></section>`}
    <//>`;
}
