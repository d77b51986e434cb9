/**
 * The state of the page and how it changes: pure, so that it can be tested without a browser.
 *
 * @typedef {import("./format.js").Look} Look
 * @typedef {import("./geometry.js").Box} Box
 * @typedef {import("./request.js").Refinement} Refinement
 * @typedef {import("./problems.js").Explained} Explained
 * @typedef {{key: string, look: Look, more: Look["matches"], nextOffset: number | null}} Answered
 * @typedef {"all" | "area" | number} Target the whole look, the drawn area, or a region by index
 * @typedef {{photo: import("./photo.js").Photo | null, searching: boolean, queryId: string | null,
 *   base: Answered | null, area: Answered | null, box: Box | null, target: Target,
 *   refinement: Refinement, busy: string | null, waiting: {seconds: number, attempt: number} | null,
 *   failed: {key: string, problem: Explained} | null,
 *   catalogue: {facets: Record<string, any>, fields: Record<string, string>, items: number},
 *   liked: Record<string, "like" | "dislike">}} State
 */
import { isSearchable, lookRequest, noRefinement, searchRequest } from "./request.js";

/** @returns {State} */
export const start = () => ({
  photo: null, searching: false, queryId: null, base: null, area: null, box: null, target: "all",
  refinement: noRefinement(), busy: null, waiting: null, failed: null,
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
    case "home":
      return { ...start(), catalogue: state.catalogue };
    case "target":
      return { ...state, target: action.target };
    case "box":
      return action.box
        ? { ...state, box: action.box, target: "area" }
        : { ...state, box: null, area: null, target: state.target === "area" ? "all" : state.target };
    case "refine":
      return { ...state, refinement: { ...state.refinement, ...action.changes } };
    case "busy":
      return { ...state, busy: action.key, waiting: null, failed: null };
    case "waiting":
      return { ...state, waiting: action.waiting };
    case "answered":
      return answered(state, action);
    case "more":
      return moreAnswered(state, action);
    case "failed":
      return { ...state, busy: null, waiting: null, failed: { key: action.key, problem: action.problem } };
    case "stopped":
      return { ...state, busy: null, waiting: null, failed: action.failed };
    case "retry":
      return { ...state, failed: null, queryId: action.anew ? null : state.queryId };
    case "liked":
      return { ...state, liked: { ...state.liked, [action.id]: action.kind } };
    default:
      throw new Error(`unknown action ${action.type}`);
  }
}

/** @param {State} state @param {{key: string, slot: "base" | "area", look: Look}} action @returns {State} */
function answered(state, { key, slot, look }) {
  const answer = { key, look, more: [], nextOffset: look.next_offset ?? null };
  const target = typeof state.target === "number" && slot === "base" && state.target >= look.regions.length
    ? "all" : state.target;
  return {
    ...state, [slot]: answer, target, busy: null, waiting: null, failed: null,
    queryId: state.photo && slot === "base" ? look.query_id : state.queryId,
  };
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
