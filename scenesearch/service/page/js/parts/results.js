/** The products, object by object or in one list, or what there is instead of them. */
import { counted, isWeak, regionName, seconds, sorted } from "../format.js";
import { toShares } from "../geometry.js";
import { html, useEffect, useRef } from "../lib.js";
import { narrowings } from "../request.js";
import { hasViews, matchesShown, shown } from "../state.js";
import { Card } from "./card.js";
import { Icon } from "./icons.js";
import { Thumb } from "./thumb.js";

/** Products of an object in the whole look; the others are behind the object. */
const FEW = 4;

/**
 * @typedef {import("../format.js").Look} Look
 * @typedef {import("../state.js").State} State
 * @typedef {import("./card.js").CardActions} CardActions
 */

/** Which object a match of the whole look is there for. @param {Look} look @param {import("../format.js").Match} match */
function earnedBy(look, match) {
  const region = look.regions[match.evidence[0]?.region ?? -1];
  return region ? `for ${region.number}. ${regionName(region)}` : "";
}

const Skeletons = () => html`
  <ul class="cards" aria-hidden="true">
    ${Array.from({ length: 8 }, (_, i) => html`
      <li key=${i}><div class="card is-skeleton"><span class="picture skeleton"></span><span class="line skeleton"></span><span class="line is-short skeleton"></span></div></li>`)}
  </ul>`;

/** @param {{state: State, onClear: () => void, select: (target: any) => void, notes: string[]}} props */
const Empty = ({ state, onClear, select, notes }) => {
  const { refinement } = state;
  const narrowed = narrowings(refinement) > 0 || refinement.words.trim() !== "";
  return html`
    <div class="empty">
      <span class="empty-icon"><${Icon} name="search" /></span>
      <h2>${narrowed ? "Nothing fits all of that" : "Nothing in the catalogue looks like this"}</h2>
      <p>${narrowed
        ? "Take away a filter or some of the words, and more may fit."
        : state.photo ? "Choose another object, or draw an area more closely around one thing."
          : "Try other words, or a photo."}</p>
      ${notes.map((note) => html`<p class="note" key=${note}>${note}</p>`)}
      <p class="notice-actions">
        ${narrowed && html`<button type="button" class="button" onClick=${onClear}>Clear all filters</button>`}
        ${state.photo && state.target !== "all" && html`<button type="button" class="button is-quiet" onClick=${() => select("all")}>Show the whole look</button>`}
      </p>
    </div>`;
};

/** @param {{state: State, look: Look, select: (target: any) => void, actions: CardActions}} props */
function Groups({ state, look, select, actions }) {
  const scene = look.scene ?? state.photo;
  const groups = look.regions
    .map((region, index) => ({ region, index, matches: sorted(region.matches, state.refinement.sort).slice(0, FEW) }))
    .filter((group) => group.matches.length > 0);
  const group = ({ region, index, matches }) => html`
    <section class="group" key=${region.key} aria-labelledby=${`group-${index}`}>
      <div class="group-head">
        ${state.photo && scene && html`<${Thumb} url=${state.photo.url} box=${toShares(region.box, scene.width, scene.height)} />`}
        <h2 id=${`group-${index}`}><bdi>${region.number}. ${regionName(region)}</bdi></h2>
        ${region.matches.length > matches.length && html`
          <button type="button" class="link-button" onClick=${() => select(index)}>See all ${region.matches.length}<span class="hidden"> for ${regionName(region)}</span></button>`}
      </div>
      <ul class="cards is-row">
        ${matches.map((match) => html`<li key=${match.item_id}><${Card} match=${match} actions=${actions} /></li>`)}
      </ul>
    </section>`;
  const strong = groups.filter(({ region }) => !region.matches.every(isWeak));
  // where nothing at all is of its kind, the catalogue names kinds in words of its own
  const weak = strong.length > 0 ? groups.filter(({ region }) => region.matches.every(isWeak)) : [];
  return html`
    ${(strong.length > 0 ? strong : groups).map(group)}
    ${weak.length > 0 && html`
      <details class="weak">
        <summary>Nothing of their kind in the catalogue: ${weak.map(({ region }) => `${region.number}. ${regionName(region)}`).join(", ")}</summary>
        ${weak.map(group)}
      </details>`}`;
}

/**
 * @param {{state: State, onClear: () => void, select: (target: any) => void, onMore: (() => void) | null,
 *   actions: CardActions}} props
 */
export function Results({ state, onClear, select, onMore, actions }) {
  const answer = shown(state);
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const before = useRef(0);
  const asksMore = useRef(false);
  const count = matchesShown(state).length;
  useEffect(() => {
    // the button that was pressed moves down, or is gone: the first of the new ones has the focus
    if (asksMore.current && count > before.current) {
      const cards = list.current?.querySelectorAll(".card-open") ?? [];
      /** @type {HTMLElement | undefined} */ (cards[before.current])?.focus();
      asksMore.current = false;
    }
    before.current = count;
  }, [count]);
  if (!answer) return state.busy ? html`<${Skeletons} />` : null;
  const { look } = answer;
  const own = typeof state.target === "number" || state.target === "area";
  const matches = own ? sorted(matchesShown(state), state.refinement.sort) : matchesShown(state);
  const region = typeof state.target === "number" ? look.regions[state.target] : null;
  const notes = [...(region?.notes ?? []), ...(region ? [] : look.notes)];
  if (!matches.length) return html`<${Empty} state=${state} onClear=${onClear} select=${select} notes=${notes} />`;
  const grouped = state.view === "objects" && hasViews(state);
  return html`
    ${notes.map((note) => html`<p class="note" key=${note}>${note}</p>`)}
    <div class=${state.busy ? "is-stale" : ""} ref=${list}>
      ${grouped
        ? html`<${Groups} state=${state} look=${look} select=${select} actions=${actions} />`
        : html`
          <h2 class="hidden">Products</h2>
          <ul class="cards">
            ${matches.map((match) => html`
              <li key=${match.item_id}><${Card} match=${match} earnedBy=${own ? "" : earnedBy(look, match)} actions=${actions} /></li>`)}
          </ul>
          ${onMore && html`<p class="more-row"><button type="button" class="button is-quiet" disabled=${state.busy !== null}
            onClick=${() => { asksMore.current = true; onMore(); }}>Show more</button></p>`}`}
    </div>
    ${look.scene?.warnings.map((warning) => html`<p class="note" key=${warning}>${warning}</p>`)}`;
}

/** @param {{state: State}} props */
export function Summary({ state }) {
  const answer = shown(state);
  if (!answer) return html`<p class="summary">${state.busy ? sending(state) : ""}</p>`;
  const region = typeof state.target === "number" ? answer.look.regions[state.target] : null;
  return html`
    <p class="summary">
      <bdi>${state.target === "all" && state.photo && state.view === "objects"
        ? counted(answer.look.regions.length, "object") : counted(matchesShown(state).length, "match", "matches")}</bdi>
      ${region?.colours.slice(0, 3).map((colour) => html`
        <span class="seen-colour" key=${colour.name}><span class="seen-dot" style=${{ backgroundColor: colour.hex ?? "transparent" }}></span>${colour.name}</span>`)}
    </p>`;
}

/** What is waited for, as it is. @param {State} state */
const sending = ({ sent }) => (sent === null ? "Looking…" : sent < 1 ? `Sending the photo: ${Math.floor(sent * 100)} %` : "Sent. Looking…");

/** How long the answer took, by its own account. @param {Look} look */
export function timesOf(look) {
  const steps = Object.entries(look.timings_ms ?? {}).filter(([, ms]) => typeof ms === "number" && ms >= 1);
  const total = steps.reduce((sum, [, ms]) => sum + (ms ?? 0), 0);
  return { total: seconds(total), steps: steps.map(([name, ms]) => `${name} ${seconds(ms ?? 0)}`) };
}
