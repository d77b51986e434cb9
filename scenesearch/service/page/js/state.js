/**
 * The state of the page and how it changes: pure, so that it can be tested without a browser.
 *
 * @typedef {import("./format.js").Look} Look
 * @typedef {import("./geometry.js").Box} Box
 * @typedef {import("./request.js").Refinement} Refinement
 * @typedef {import("./problems.js").Explained} Explained
 * @typedef {{key: string, look: Look, more: Look["matches"], nextOffset: number | null, asked: Refinement}} Answered
 * @typedef {"all" | "area" | number} Target the whole look, the drawn area, or a region by index
 * @typedef {{photo: import("./photo.js").Photo | null, searching: boolean, queryId: string | null,
 *   base: Answered | null, area: Answered | null, box: Box | null, target: Target,
 *   view: "objects" | "list", product: string | null,
 *   refinement: Refinement, busy: string | null, waiting: import("./api.js").Waiting | null,
 *   sent: number | null,
 *   failed: {key: string, problem: Explained} | null,
 *   catalogue: {facets: Record<string, any>, fields: Record<string, string>, items: number},
 *   liked: Record<string, "like" | "dislike">}} State
 */
import { regionName, titleOf } from "./format.js";
import { isSearchable, lookRequest, noRefinement, searchRequest, settled } from "./request.js";

/**
 * `view`: the whole look by its objects, or in one list; `product`: the one whose detail is open;
 * `sent`: the share of the photo that has left this machine, while it does.
 * @returns {State}
 */
export const start = () => ({
  photo: null, searching: false, queryId: null, base: null, area: null, box: null, target: "all",
  view: "objects", product: null, refinement: noRefinement(), busy: null, waiting: null, sent: null, failed: null,
  catalogue: { facets: {}, fields: {}, items: 0 }, liked: {},
});

/** @param {State} state @param {any} action @returns {State} */
export function reduce(state, action) {
  switch (action.type) {
    case "catalogue":
      return { ...state, catalogue: action.catalogue };
    case "photo":
      return { ...start(), catalogue: state.catalogue, photo: action.photo, searching: true };
    case "words": // from the first screen: a search without a photo
      return {
        ...start(), catalogue: state.catalogue, searching: true,
        refinement: { ...noRefinement(), words: action.words },
      };
    case "restore":
      return restored(state, action);
    case "pictured": // the service made a picture of what the browser cannot show
      return state.photo?.id === action.photo.id ? { ...state, photo: action.photo } : state;
    case "home":
      return { ...start(), catalogue: state.catalogue };
    case "target":
      return { ...state, target: action.target };
    case "view":
      return { ...state, view: action.view, target: "all" };
    case "product":
      return { ...state, product: action.id };
    case "box":
      return action.box
        ? { ...state, box: action.box, target: "area" }
        : { ...state, box: null, area: null, target: state.target === "area" ? "all" : state.target };
    case "refine":
      return { ...state, refinement: { ...state.refinement, ...action.changes } };
    case "busy":
      return { ...state, busy: action.key, waiting: null, sent: null, failed: null };
    case "sent":
      return { ...state, sent: action.share };
    case "waiting":
      return { ...state, waiting: action.waiting };
    case "answered":
      return answered(state, action);
    case "more":
      return moreAnswered(state, action);
    case "failed":
      return { ...state, busy: null, waiting: null, sent: null, failed: { key: action.key, problem: action.problem } };
    case "stopped":
      return { ...state, busy: null, waiting: null, sent: null, failed: action.failed };
    case "retry":
      return { ...state, failed: null, queryId: action.anew ? null : state.queryId };
    case "liked":
      return { ...state, liked: { ...state.liked, [action.id]: action.kind } };
    default:
      throw new Error(`unknown action ${action.type}`);
  }
}

/**
 * What an address asks for: of the photo that is there already everything known stays.
 * @param {State} state @param {{place: import("./place.js").Place, photo: import("./photo.js").Photo | null}} action
 * @returns {State}
 */
function restored(state, { place, photo }) {
  const same = state.searching && state.photo?.id === photo?.id;
  const before = same ? state : { ...start(), catalogue: state.catalogue, queryId: place.query };
  const { target, box, view, product, refinement } = place;
  return { ...before, photo, searching: true, target, box, view, product, refinement: named(refinement, before), failed: null };
}

/** The titles of products an address names by id alone, where an answer has them. @param {Refinement} refinement @param {State} state */
function named(refinement, state) {
  if (!refinement.items.length) return refinement;
  const titles = new Map(state.refinement.items.map((item) => [item.id, item.title]));
  for (const answer of [state.base, state.area]) {
    const lists = answer ? [answer.look.matches, answer.more, ...answer.look.regions.map((region) => region.matches)] : [];
    for (const match of lists.flat()) titles.set(match.item_id, titleOf(match));
  }
  const items = refinement.items.map((item) => ({ ...item, title: titles.get(item.id) ?? item.title }));
  return { ...refinement, items };
}

/** @param {State} state @param {{key: string, slot: "base" | "area", look: Look}} action @returns {State} */
function answered(state, { key, slot, look }) {
  // an area is asked without the turns of single objects, and says nothing of them
  const refinement = slot === "base" ? settled(state.refinement, look.refined ?? []) : state.refinement;
  const answer = { key, look, more: [], nextOffset: look.next_offset ?? null, asked: refinement };
  const target = typeof state.target === "number" && slot === "base" && state.target >= look.regions.length
    ? "all" : state.target;
  const next = { ...state, [slot]: answer };
  const done = {
    ...next, target, busy: null, waiting: null, sent: null, failed: null,
    refinement: named(refinement, next),
    queryId: state.photo && slot === "base" ? look.query_id : state.queryId,
  };
  // what is asked is written differently now, and is the same
  const same = slot === "base" && refinement.turns.some((turn, index) => turn !== state.refinement.turns[index]);
  const ask = same ? wanted({ ...done, target: done.target === "area" ? "all" : done.target }) : null;
  return ask ? { ...done, [slot]: { ...answer, key: ask.key } } : done;
}

/** @param {State} state @param {{slot: "base" | "area", look: Look}} action @returns {State} */
function moreAnswered(state, { slot, look }) {
  const before = state[slot];
  if (!before) return state;
  const known = new Set([...before.look.matches, ...before.more].map((match) => match.item_id));
  const fresh = look.matches.filter((match) => !known.has(match.item_id));
  return {
    ...state, busy: null, waiting: null,
    [slot]: { ...before, more: [...before.more, ...fresh], nextOffset: look.next_offset ?? null },
  };
}

/**
 * What should be asked now, with the key its answer is kept under; null for nothing.
 * @param {State} state
 * @returns {{kind: "look" | "search", slot: "base" | "area", key: string, body: Record<string, any>} | null}
 */
export function wanted(state) {
  const { fields } = state.catalogue;
  if (!state.searching) return null;
  if (!state.photo) {
    if (!isSearchable(state.refinement)) return null;
    const body = searchRequest(state.refinement, fields);
    return { kind: "search", slot: "base", key: JSON.stringify(body), body };
  }
  const box = state.target === "area" ? state.box : null;
  const body = lookRequest(state.refinement, fields, box);
  return { kind: "look", slot: box ? "area" : "base", key: JSON.stringify(body), body };
}

/** Whether what is wanted has to be asked for. @param {State} state */
export function isDue(state) {
  const ask = wanted(state);
  if (!ask || state.failed?.key === ask.key) return null;
  return state[ask.slot]?.key === ask.key ? null : ask;
}

/** What went wrong with what is wanted now; null where something else is wanted meanwhile. @param {State} state */
export const problemOf = (state) =>
  (state.failed && state.failed.key === wanted(state)?.key ? state.failed.problem : null);

/** The answer that is shown. @param {State} state @returns {Answered | null} */
export const shown = (state) => (state.target === "area" && state.box ? state.area : state.base);

/** The matches that are shown, in their order. @param {State} state @returns {Look["matches"]} */
export function matchesShown(state) {
  const answer = shown(state);
  if (!answer) return [];
  if (typeof state.target === "number") return answer.look.regions[state.target]?.matches ?? [];
  if (state.target === "area" && answer.look.regions.length === 1) return answer.look.regions[0].matches;
  return [...answer.look.matches, ...answer.more];
}

/** Whether what is shown can be shown by object as well as in one list. @param {State} state */
export const hasViews = (state) =>
  state.target === "all" && (state.base?.look.regions ?? []).filter((region) => region.matches.length > 0).length > 1;

/** What is shown, in a few words: the heading of the list, and the title of the window. @param {State} state @returns {string} */
export function titleOfState(state) {
  if (!state.searching) return "";
  if (!state.photo) return state.refinement.words ? `“${state.refinement.words}”` : "Search in words";
  if (state.target === "all") return "The whole look";
  if (state.target === "area") return "In your area";
  const region = state.base?.look.regions[state.target];
  return region ? `${region.number}. ${regionName(region)}` : "";
}
