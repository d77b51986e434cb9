/** One product. */
import { attribute, priceOf, safeLink, titleOf } from "../format.js";
import { html } from "../lib.js";
import { LESS, MORE } from "../request.js";
import { Icon } from "./icons.js";
import { Picture } from "./picture.js";

/**
 * @typedef {{onWhy: (match: import("../format.js").Match) => void,
 *   onItem: (item: import("../request.js").Liked) => void,
 *   onFeedback: (match: import("../format.js").Match, kind: "click" | "like" | "dislike") => void,
 *   items: import("../request.js").Liked[], liked: Record<string, "like" | "dislike">}} CardActions
 * @param {{match: import("../format.js").Match, earnedBy: string} & CardActions} props
 */
export function Card({ match, earnedBy, onWhy, onItem, onFeedback, items, liked }) {
  const title = titleOf(match);
  const link = safeLink(match.attributes.url);
  const price = priceOf(match);
  const about = [attribute(match, "category"), attribute(match, "brand")].filter(Boolean).join(" · ");
  const weight = items.find((item) => item.id === match.item_id)?.weight ?? 0;
  const opinion = liked[match.item_id];
  const steer = (/** @type {number} */ by, /** @type {string} */ name, /** @type {string} */ words) => html`
    <button type="button" class=${`steer ${weight === by ? "is-on" : ""}`}
      aria-pressed=${weight === by ? "true" : "false"} aria-label=${`${words} like this: ${title}`}
      title=${`${words} like this`} onClick=${() => onItem({ id: match.item_id, title, weight: by })}>
      <${Icon} name=${name} /><span>${words}</span>
    </button>`;
  const opine = (/** @type {"like" | "dislike"} */ kind, /** @type {string} */ words) => html`
    <button type="button" class=${`opinion ${opinion === kind ? "is-on" : ""}`}
      aria-pressed=${opinion === kind ? "true" : "false"} aria-label=${`${words}: ${title}`} title=${words}
      onClick=${() => onFeedback(match, kind)}><${Icon} name=${kind} /></button>`;
  return html`
    <article class="card">
      <button type="button" class="card-picture" onClick=${() => onWhy(match)} aria-label=${`Why this match: ${title}`}>
        <${Picture} path=${match.photo_url} alt="" />
        <span class="card-why" aria-hidden="true">Why this match?</span>
      </button>
      <div class="card-opinions">${opine("like", "Good match")}${opine("dislike", "Bad match")}</div>
      <div class="card-words">
        <h2 class="card-title">
          ${link
            ? html`<a href=${link} target="_blank" rel="noopener noreferrer nofollow"
                onClick=${() => onFeedback(match, "click")}>${title}<${Icon} name="out" /><span class="hidden"> (opens the shop)</span></a>`
            : title}
        </h2>
        ${about && html`<p class="card-about">${about}</p>`}
        ${price && html`<p class="card-price">${price}</p>`}
        ${earnedBy && html`<p class="card-earned">${earnedBy}</p>`}
      </div>
      <div class="card-steer">${steer(MORE, "more", "More")}${steer(LESS, "less", "Less")}</div>
    </article>`;
}
