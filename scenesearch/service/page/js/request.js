/**
 * What is asked of the service, worked out of the state: pure, so that the same state always asks
 * the same, and an answer can be kept under what it was asked with.
 *
 * @typedef {import("./filters.js").Filters} Filters
 * @typedef {import("./geometry.js").Box} Box
 * @typedef {{id: string, title: string, weight: number}} Liked
 * @typedef {{words?: string, where?: string, object: number | null, to?: Record<string, string>}} Turn
 *   a step that is about what those before it leave; object: its number, null for every one; to:
 *   what a comparison was with, once it was answered
 * @typedef {{words: string, filters: Filters, own: Record<number, Filters>, turns: Turn[], items: Liked[],
 *   sort: string, preset: string, objects: number, perRegion: number}} Refinement own: filters of
 *   single objects, by number
 */
import { COLOUR_FIELD, countOf, noFilters, whereText } from "./filters.js";
import { rounded } from "./geometry.js";

/** How much "more like this" and "less like this" move the answer. */
export const MORE = 1;
export const LESS = -0.5;

/** Matches of the fused list that are asked for at once. */
export const PAGE = 24;
/** Turns that are suggested for each list. */
const SUGGESTED = 5;
const FACETS_WANTED = ["category", "brand", COLOUR_FIELD];

/** What "alike" may mean: names of the service, and what people read. The first leaves it to the shop. */
export const PRESETS = /** @type {const} */ ([
  ["", "As this shop has it"], ["similar", "Look and material"], ["exact", "The very same"],
  ["style", "Style and surroundings"], ["category", "Kind of thing"], ["colour", "Colour only"],
]);
/** How many objects may be looked for in a photo. */
export const OBJECTS = [5, 8, 15, 30];

/** @returns {Refinement} */
export const noRefinement = () => ({
  words: "", filters: noFilters(), own: {}, turns: [], items: [], sort: "", preset: "", objects: 8, perRegion: 12,
});

/** What narrows an answer: filters of single objects first, then what was said. @param {Refinement} refinement @returns {Turn[]} */
export const turnsOf = ({ own, turns }) => [
  ...Object.entries(own).filter(([, filters]) => countOf(filters) > 0)
    .map(([number, filters]) => ({ where: /** @type {string} */ (whereText(filters)), object: Number(number) })),
  ...turns,
];

/**
 * The turns, with what their comparisons were with: they mean the same from then on, whatever else
 * is chosen or undone.
 * @param {Refinement} refinement @param {{to?: Record<string, string>}[]} read as the answer has them @returns {Refinement}
 */
export function settled(refinement, read) {
  const before = turnsOf(refinement).length - refinement.turns.length;
  const turns = refinement.turns.map((turn, index) => {
    const to = read[before + index]?.to ?? {};
    return turn.words && !turn.to && Object.keys(to).length ? { ...turn, to } : turn;
  });
  return { ...refinement, turns };
}

/** A refinement as one object has it: its filters are its own. @param {Refinement} refinement @param {number} object */
export const ofObject = (refinement, object) => ({ ...refinement, filters: refinement.own[object] ?? noFilters() });

/** Changes that were made for one object. @param {Refinement} refinement @param {number} object @param {Partial<Refinement>} changes @returns {Partial<Refinement>} */
export function changesOfObject(refinement, object, { filters, ...others }) {
  return filters ? { ...others, own: { ...refinement.own, [object]: filters } } : others;
}

/** How much narrows the answer beside its words. @param {Refinement} refinement */
export const narrowings = ({ filters, items, own, turns }) =>
  countOf(filters) + items.length + turns.length + Object.values(own).reduce((sum, one) => sum + countOf(one), 0);

/** Fields to count, of those there are. @param {Record<string, string>} fields */
export const facetsOf = (fields) => FACETS_WANTED.filter((name) => name in fields);

/**
 * The options of a request: everything but what it looks at. What is left at its default is not
 * sent, so that the configuration of the service decides it.
 * @param {Refinement} refinement @param {Record<string, string>} fields types by name
 */
export function optionsOf(refinement, fields) {
  /** @type {Record<string, any>} */
  const options = { limit: PAGE, suggest: SUGGESTED };
  const words = refinement.words.trim();
  if (words) options.words = words;
  const where = whereText(refinement.filters);
  if (where) options.where = where;
  if (refinement.items.length) {
    options.items = Object.fromEntries(refinement.items.map((item) => [item.id, item.weight]));
  }
  const refine = turnsOf(refinement).map(({ object, ...said }) => (object === null ? said : { ...said, object }));
  if (refine.length) options.refine = refine;
  if (refinement.sort) options.sort = refinement.sort;
  if (refinement.preset) options.preset = refinement.preset;
  const facets = facetsOf(fields);
  if (facets.length) options.facets = facets;
  return options;
}

/**
 * The request for a photo's objects, or for one area of it.
 * @param {Refinement} refinement @param {Record<string, string>} fields @param {Box | null} box
 */
export function lookRequest(refinement, fields, box) {
  /** @type {Record<string, any>} */
  const request = { ...optionsOf(refinement, fields), per_region: refinement.perRegion };
  // objects are numbered in the answer to the photo: in an area there is one, and it has no number
  const every = (request.refine ?? []).filter((/** @type {any} */ turn) => turn.object === undefined);
  if (box && every.length) request.refine = every;
  else if (box) delete request.refine;
  if (box) return { ...request, boxes: [rounded(box)], box_format: "xyxy_norm" };
  return { ...request, detection_limit: refinement.objects };
}

/** The request for words, or for products, without a photo. @param {Refinement} refinement @param {Record<string, string>} fields */
export const searchRequest = (refinement, fields) => optionsOf(refinement, fields);

/** Whether a search without a photo has anything to look for. @param {Refinement} refinement */
export const isSearchable = (refinement) =>
  refinement.words.trim() !== "" || refinement.items.some((item) => item.weight > 0);

/** With an item liked more or less, or no longer. @param {Liked[]} items @param {Liked} item @returns {Liked[]} */
export function withItem(items, item) {
  const others = items.filter((one) => one.id !== item.id);
  const same = items.some((one) => one.id === item.id && one.weight === item.weight);
  return same ? others : [...others, item];
}
