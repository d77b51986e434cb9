/** One product, large: its photos, what it costs, what is like it, and why it was found. */
import { goesWith, item as itemOf, ProblemError, similar } from "../api.js";
import { attribute, factOf, isWeak, looksOf, partName, partsToShow, percent, readable, regionName, safeLink, titleOf } from "../format.js";
import { toShares } from "../geometry.js";
import { html, useEffect, useState } from "../lib.js";
import { matchesShown, shown } from "../state.js";
import { Actions, Price, Stock } from "./card.js";
import { Dialog } from "./dialog.js";
import { Gallery } from "./gallery.js";
import { Icon } from "./icons.js";
import { Picture } from "./picture.js";
import { Thumb } from "./thumb.js";

const HIDDEN = new Set(["title", "url", "price", "list_price", "currency", "description", "in_stock", "availability", "group", "image", "colour_names"]);
const FEW = 6;

/** @typedef {import("../format.js").Match} Match */

/** @param {{name: string, value: number}} props */
const Bar = ({ name, value }) => html`
  <div class="bar">
    <dt>${partName(name)}</dt>
    <dd><span class="bar-track" aria-hidden="true"><span class=${`bar-fill ${value < 0 ? "is-against" : ""}`}
      style=${{ width: `${Math.min(Math.abs(value), 1) * 100}%` }}></span></span><span class="bar-value">${percent(value)}</span></dd>
  </div>`;

/** A product of the answers that are there. @param {import("../state.js").State} state @param {string} id @returns {Match | undefined} */
function matchOf(state, id) {
  const look = shown(state)?.look;
  return [...matchesShown(state), ...(look?.regions ?? []).flatMap((region) => region.matches), ...(look?.matches ?? [])]
    .find((match) => match.item_id === id);
}

/** Why it was found. @param {{match: Match, state: import("../state.js").State}} props */
function Why({ match, state }) {
  const look = shown(state)?.look;
  const { photo } = state;
  const scene = look?.scene ?? photo;
  const evidence = (/** @type {import("../format.js").Evidence} */ seen, /** @type {number} */ order) => {
    const region = look?.regions[seen.region ?? -1];
    return html`
      <li key=${order} class="evidence">
        <div class="evidence-pair">
          ${region && photo && scene
            ? html`<${Thumb} url=${photo.url} box=${toShares(region.box, scene.width, scene.height)} />`
            : html`<span class="thumb is-icon"><${Icon} name="search" /></span>`}
          <${Picture} path=${seen.photo_url} alt="" />
        </div>
        <div class="evidence-words">
          <strong>${region ? `${region.number}. ${regionName(region)}` : "Your words and examples"}</strong>
          <span>${partsToShow(seen.scores).map(([name, value]) => `${partName(name)} ${percent(value)}`).join(" · ")}</span>
        </div>
      </li>`;
  };
  return html`
    <section class="why"><h3>Why this match</h3>
      ${isWeak(match) && html`<p class="note">It looks alike, and is another kind of thing than the object.</p>`}
      <dl class="bars">${partsToShow(match.parts).map(([name, value]) => html`<${Bar} key=${name} name=${name} value=${value} />`)}</dl>
      ${match.evidence.length > 0 && html`
        <h4>What earned it</h4><ul class="evidence-list">${match.evidence.slice(0, FEW).map(evidence)}</ul>`}
    </section>`;
}

/**
 * Products beside it, in a strip.
 * @param {{id: string, heading: string, load: (id: string, signal: AbortSignal) => Promise<Match[]>,
 *   onOpen: (id: string) => void}} props
 */
function Strip({ id, heading, load, onOpen }) {
  const [list, setList] = useState(/** @type {Match[]} */ ([]));
  useEffect(() => {
    const given = new AbortController();
    load(id, given.signal).then(setList).catch(() => undefined); // the product is there without them
    return () => given.abort();
  }, [id]);
  if (!list.length) return null;
  return html`
    <section><h3>${heading}</h3>
      <ul class="strip">${list.map((match) => html`
        <li key=${match.item_id}><button type="button" onClick=${() => onOpen(match.item_id)}>
          <${Picture} path=${match.photo_url} alt="" /><span class="strip-title" dir="auto">${titleOf(match)}</span><${Price} match=${match} />
        </button></li>`)}</ul>
    </section>`;
}

/** @param {string} id @param {AbortSignal} signal @returns {Promise<Match[]>} */
const alike = async (id, signal) =>
  (await similar(id, FEW + 1, signal)).matches.filter((match) => match.item_id !== id).slice(0, FEW);

/** @param {string} id @param {AbortSignal} signal @returns {Promise<Match[]>} */
const beside = async (id, signal) =>
  (await goesWith(id, FEW, signal)).groups.flatMap((/** @type {any} */ group) => group.suggestions);

/**
 * @param {{id: string, state: import("../state.js").State, actions: import("./card.js").CardActions,
 *   say: (text: string) => void, onOpen: (id: string) => void, onClose: () => void}} props
 */
export function Detail({ id, state, actions, onOpen, onClose }) {
  const found = matchOf(state, id);
  const [stored, setStored] = useState(/** @type {Awaited<ReturnType<typeof itemOf>> | null} */ (null));
  const [gone, setGone] = useState(false);
  useEffect(() => {
    setStored(null);
    setGone(false);
    document.querySelector("dialog.detail")?.scrollTo(0, 0);
    itemOf(id).then(setStored).catch((error) => setGone(error instanceof ProblemError && error.problem.status === 404));
  }, [id]);
  /** @type {Match | null} */
  const match = found ?? (stored && {
    item_id: id, score: null, rank: 1, parts: {}, evidence: [], variants: [],
    attributes: stored.attributes, photo_url: stored.photos[0]?.photo_url ?? null,
  });
  const title = match ? titleOf(match) : id;
  if (!match) {
    return html`<${Dialog} title=${title} onClose=${onClose} kind="detail">
      <p class="note">${gone ? "This product is not in the catalogue any more." : "Fetching the product…"}</p><//>`;
  }
  const link = safeLink(match.attributes.url);
  const photos = [...new Set([match.photo_url, ...(stored?.photos ?? []).map((photo) => photo.photo_url)])]
    .filter((path) => path !== null);
  const facts = Object.keys(match.attributes)
    .filter((name) => !HIDDEN.has(name) && attribute(match, name) !== "").slice(0, 12);
  const looks = looksOf(match).join(" · ");
  return html`
    <${Dialog} title=${title} onClose=${onClose} kind="detail">
      <div class="detail">
        <${Gallery} photos=${/** @type {string[]} */ (photos)} title=${title} />
        <div class="detail-facts">
          <div class="card-cost"><${Price} match=${match} /><${Stock} match=${match} /></div>
          ${looks && html`<p dir="auto">${looks}</p>`}
          ${link && html`<a class="button" href=${link} target="_blank" rel="noopener noreferrer nofollow"
            onClick=${() => actions.onFeedback(match, "click")}>Open in the shop<${Icon} name="out" /></a>`}
          <${Actions} match=${match} actions=${actions} />
          ${attribute(match, "description") && html`<p dir="auto">${attribute(match, "description")}</p>`}
          <dl class="facts">
            ${facts.map((name) => {
              const [what, value] = factOf(name, name === "category" ? readable(attribute(match, name)) : attribute(match, name));
              return html`<div key=${name}><dt>${what}</dt><dd dir="auto">${value}</dd></div>`;
            })}
            <div><dt>Number</dt><dd>${id}</dd></div>
          </dl>
        </div>
      </div>
      <${Strip} id=${id} heading="Similar" load=${alike} onOpen=${onOpen} />
      <${Strip} id=${id} heading="Goes with" load=${beside} onOpen=${onOpen} />
      ${match.variants.length > 0 && html`
        <section><h3>Also comes as</h3><ul class="variants">${match.variants.map((one) => html`
          <li key=${one}><button type="button" class="pill" onClick=${() => onOpen(one)}>${one}</button></li>`)}</ul></section>`}
      ${match.evidence.length > 0 && html`<${Why} match=${match} state=${state} />`}
    <//>`;
}
