/** One product. */
import { attribute, isWeak, looksOf, priceBefore, priceOf, readable, stockOf, titleOf } from "../format.js";
import { html } from "../lib.js";
import { LESS, MORE } from "../request.js";
import { Icon } from "./icons.js";
import { Picture } from "./picture.js";
import { Row } from "./roving.js";

/**
 * @typedef {import("../format.js").Match} Match
 * @typedef {{onOpen: (match: Match) => void, onSave: (match: Match) => void,
 *   onItem: (item: import("../request.js").Liked) => void,
 *   onFeedback: (match: Match, kind: "click" | "like" | "dislike") => void,
 *   items: import("../request.js").Liked[], liked: Record<string, "like" | "dislike">,
 *   saved: import("../saved.js").Saved[]}} CardActions
 */

/** What it costs, and what it cost before. @param {{match: Match}} props */
export function Price({ match }) {
  const [now, before] = [priceOf(match), priceBefore(match)];
  if (!now) return null;
  return html`
    <p class=${`card-price ${before ? "is-sale" : ""}`}>
      ${before && html`<span class="hidden">Now </span>`}<span>${now}</span>
      ${before && html`<span class="hidden">, before </span><s>${before}</s>`}
    </p>`;
}

/** Whether it can be had. @param {{match: Match}} props */
export function Stock({ match }) {
  const stock = stockOf(match);
  return stock === null ? null
    : html`<span class=${`stock ${stock ? "" : "is-out"}`}>${stock ? "In stock" : "Sold out"}</span>`;
}

/** The buttons of a product: one stop of the Tab key. @param {{match: Match, actions: CardActions}} props */
export function Actions({ match, actions }) {
  const { onSave, onItem, onFeedback, items, liked, saved } = actions;
  const title = titleOf(match);
  const weight = items.find((item) => item.id === match.item_id)?.weight ?? 0;
  const opinion = liked[match.item_id];
  const button = (/** @type {string} */ name, /** @type {boolean} */ on, /** @type {string} */ words, /** @type {() => void} */ act) => html`
    <button type="button" class=${`act is-${name} ${on ? "is-on" : ""}`} aria-pressed=${on ? "true" : "false"}
      aria-label=${`${words}: ${title}`} title=${words} onClick=${act}><${Icon} name=${name} /></button>`;
  const steer = (/** @type {number} */ by) => () => onItem({ id: match.item_id, title, weight: by });
  return html`
    <${Row} kind="card-acts" label=${`For ${title}`}>
      ${button("heart", saved.some((one) => one.id === match.item_id), "Save", () => onSave(match))}
      ${button("more", weight === MORE, "More like this", steer(MORE))}
      ${button("less", weight === LESS, "Less like this", steer(LESS))}
      ${button("like", opinion === "like", "Good match", () => onFeedback(match, "like"))}
      ${button("dislike", opinion === "dislike", "Bad match", () => onFeedback(match, "dislike"))}
    <//>`;
}

/** @param {{match: Match, earnedBy?: string, actions: CardActions}} props */
export function Card({ match, earnedBy = "", actions }) {
  const about = [attribute(match, "brand"), readable(attribute(match, "category"))].filter(Boolean).join(" · ");
  const looks = looksOf(match).join(" · ");
  return html`
    <article class=${`card ${isWeak(match) ? "is-weak" : ""}`}>
      <${Picture} path=${match.photo_url} alt="" />
      ${isWeak(match) && html`<span class="card-mark">Other kind</span>`}
      ${match.verdict === "exact" && html`<span class="card-sure">Very close</span>`}
      <div class="card-words">
        <h3 class="card-title"><button type="button" class="card-open" dir="auto" onClick=${() => actions.onOpen(match)}>${titleOf(match)}</button></h3>
        ${about && html`<p class="card-about" dir="auto">${about}</p>`}
        ${looks && html`<p class="card-about" dir="auto">${looks}</p>`}
        <div class="card-cost"><${Price} match=${match} /><${Stock} match=${match} /></div>
        ${earnedBy && html`<p class="card-earned">${earnedBy}</p>`}
      </div>
      <${Actions} match=${match} actions=${actions} />
    </article>`;
}
