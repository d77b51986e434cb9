/**
 * What is asked of the service, worked out of the state: pure, so that the same state always asks
 * the same, and an answer can be kept under what it was asked with.
 *
 * @typedef {import("./filters.js").Filters} Filters
 * @typedef {import("./geometry.js").Box} Box
 * @typedef {{id: string, title: string, weight: number}} Liked
 * @typedef {{words: string, filters: Filters, items: Liked[], sort: string, preset: string,
 *   objects: number, perRegion: number}} Refinement
 */
import { COLOUR_FIELD, noFilters, whereText } from "./filters.js";
import { rounded } from "./geometry.js";

/** How much "more like this" and "less like this" move the answer. */
export const MORE = 1;
export const LESS = -0.5;

/** Matches of the fused list that are asked for at once. */
export const PAGE = 24;
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
  words: "", filters: noFilters(), items: [], sort: "", preset: "", objects: 8, perRegion: 12,
});

/** Fields to count, of those there are. @param {Record<string, string>} fields */
export const facetsOf = (fields) => FACETS_WANTED.filter((name) => name in fields);

/**
 * The options of a request: everything but what it looks at. What is left at its default is not
 * sent, so that the configuration of the service decides it.
 * @param {Refinement} refinement @param {Record<string, string>} fields types by name
 */
export function optionsOf(refinement, fields) {
  /** @type {Record<string, any>} */
  const options = { limit: PAGE };
  const words = refinement.words.trim();
  if (words) options.words = words;
  const where = whereText(refinement.filters);
  if (where) options.where = where;
  if (refinement.items.length) {
    options.items = Object.fromEntries(refinement.items.map((item) => [item.id, item.weight]));
  }
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
