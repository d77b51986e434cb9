/** The list of products, or what there is instead of one. */
import { counted, regionName, seconds, sorted } from "../format.js";
import { countOf } from "../filters.js";
import { html } from "../lib.js";
import { matchesShown, shown } from "../state.js";
import { Card } from "./card.js";
import { Icon } from "./icons.js";

/** @param {import("../state.js").State} state @returns {string} */
export function headingOf(state) {
  if (!state.photo) return "Search in words";
  if (state.target === "all") return "The whole look";
  if (state.target === "area") return "In the area you drew";
  const region = state.base?.look.regions[state.target];
  return region ? `${region.number}. ${regionName(region)}` : "";
}

/** Which object a match of the whole look is there for. @param {import("../format.js").Look} look @param {import("../format.js").Match} match */
function earnedBy(look, match) {
  const region = look.regions[match.evidence[0]?.region ?? -1];
  return region ? `for ${region.number}. ${regionName(region)}` : "";
}

const Skeletons = () => html`
  <ul class="cards" aria-hidden="true">
    ${Array.from({ length: 8 }, (_, i) => html`
      <li key=${i}><div class="card is-skeleton"><span class="picture skeleton"></span><span class="line skeleton"></span><span class="line is-short skeleton"></span></div></li>`)}
  </ul>`;

/** @param {{state: import("../state.js").State, onClear: () => void, onAll: () => void, notes: string[]}} props */
const Empty = ({ state, onClear, onAll, notes }) => {
  const { refinement } = state;
  const narrowed = countOf(refinement.filters) + refinement.items.length > 0 || refinement.words.trim() !== "";
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
        ${state.photo && state.target !== "all" && html`<button type="button" class="button is-quiet" onClick=${onAll}>Show the whole look</button>`}
      </p>
    </div>`;
};

/**
 * @param {{state: import("../state.js").State, onClear: () => void, onAll: () => void, onMore: (() => void) | null,
 *   actions: import("./card.js").CardActions}} props
 */
export function Results({ state, onClear, onAll, onMore, actions }) {
  const answer = shown(state);
  if (!answer) return state.busy ? html`<${Skeletons} />` : null;
  const { look } = answer;
  const list = matchesShown(state);
  const own = typeof state.target === "number" || state.target === "area";
  const matches = own ? sorted(list, state.refinement.sort) : list;
  const region = typeof state.target === "number" ? look.regions[state.target] : null;
  const notes = [...(region?.notes ?? []), ...(region ? [] : look.notes), ...(look.scene?.warnings ?? [])];
  if (!matches.length) return html`<${Empty} state=${state} onClear=${onClear} onAll=${onAll} notes=${notes} />`;
  return html`
    ${notes.map((note) => html`<p class="note" key=${note}>${note}</p>`)}
    <ul class=${`cards ${state.busy ? "is-stale" : ""}`}>
      ${matches.map((match) => html`
        <li key=${match.item_id}>
          <${Card} match=${match} earnedBy=${own ? "" : earnedBy(look, match)} ...${actions} />
        </li>`)}
    </ul>
    ${onMore && html`<p class="more-row"><button type="button" class="button is-quiet" disabled=${state.busy !== null}
      onClick=${onMore}>Show more</button></p>`}`;
}

/** @param {{state: import("../state.js").State}} props */
export function Summary({ state }) {
  const answer = shown(state);
  if (!answer) return html`<p class="summary">${state.busy ? "Looking…" : ""}</p>`;
  const total = Object.values(answer.look.timings_ms ?? {}).reduce((sum, ms) => sum + (ms ?? 0), 0);
  const region = typeof state.target === "number" ? answer.look.regions[state.target] : null;
  return html`
    <p class="summary">
      ${counted(matchesShown(state).length, "match", "matches")}${total ? ` · ${seconds(total)}` : ""}
      ${region?.colours.slice(0, 3).map((colour) => html`
        <span class="seen-colour" key=${colour.name}><span class="seen-dot" style=${{ backgroundColor: colour.hex ?? "transparent" }}></span>${colour.name}</span>`)}
    </p>`;
}
