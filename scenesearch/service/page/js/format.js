/** Values as people read them. Pure. */

/** @typedef {{item_id: string, score: number | null, verdict?: "exact" | "similar" | "related" | null, rank: number, parts: Record<string, number | null>,
 *   evidence: Evidence[], attributes: Record<string, any>, photo_url: string | null,
 *   variants: string[]}} Match
 * @typedef {{region: number | null, point_id: string, scores: Record<string, number | null>,
 *   contribution: number | null, photo_url: string | null}} Evidence
 * @typedef {{number: number, key: string, kind: string, box: number[], label: string | null,
 *   confidence: number | null, position: string | null, colours: {name: string, hex?: string, share: number}[],
 *   notes: string[], cutout_method: string, cutout_reason: string, matches: Match[]}} Region
 * @typedef {{query_id: string | null, next_offset: number | null, scene: {width: number, height: number,
 *   warnings: string[]} | null, regions: Region[], matches: Match[],
 *   facets: Record<string, {value: any, count: number}[]>, timings_ms: Record<string, number>,
 *   refined?: {said: string, object: number | null, understood: string[]}[],
 *   suggestions?: {text: string, where: string, object: number | null, count: number}[],
 *   notes: string[], parsed: import("./words.js").Parsed | null}} Look
 */

/** "1 match", "2 matches". @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/**
 * A name of a model's or a catalogue's as people write it: detectors of several vocabularies say
 * "potted plant", "Cabinetry" and "coffee_table" beside each other.
 * @param {string} name
 */
export function readable(name) {
  const words = name.replaceAll(/[_\s]+/g, " ").trim();
  // what is in capitals throughout is an abbreviation: TV
  const lower = words === words.toUpperCase() ? words : words.toLowerCase();
  return lower.charAt(0).toUpperCase() + lower.slice(1);
}

const UNITS = /^(.+?)[_ ](cm|mm|m|in|kg|g|w|l|ml)$/i;

/** A fact of a product as a name and a value; a unit in the field's name belongs to the value. @param {string} name @param {string} value @returns {[string, string]} */
export function factOf(name, value) {
  const [, what, unit] = UNITS.exec(name) ?? [];
  return unit && value !== "" && Number.isFinite(Number(value)) ? [readable(what), `${value} ${unit}`] : [readable(name), value];
}

/** What a region is called. @param {Region} region */
export function regionName(region) {
  if (region.label) return readable(region.label);
  return region.kind === "whole" ? "Whole photo" : region.kind === "tile" ? "Part of the photo" : "Object";
}

/**
 * Whether a match is of another kind than the object it was found for: alike, and not what the
 * object is. Told by the part of the score that compares the two kinds, where there is one.
 * @param {Match} match
 */
export const isWeak = (match) => typeof match.parts.meaning === "number" && match.parts.meaning <= 0;

/** What a hotspot says aloud. @param {Region} region */
export const hotspotLabel = (region) =>
  `Object ${region.number}: ${regionName(region)}, ${counted(region.matches.length, "match", "matches")}`;

/** A product's title, or its id. @param {Match} match */
export function titleOf(match) {
  const title = match.attributes.title;
  return typeof title === "string" && title.trim() ? title : match.item_id;
}

/** One word or sentence of an attribute, or an empty text. @param {Match} match @param {string} name */
export function attribute(match, name) {
  const value = match.attributes[name];
  if (Array.isArray(value)) return value.filter((one) => typeof one === "string").join(", ");
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** A price with its currency, or an empty text. @param {Match} match @param {string} [locale] */
export const priceOf = (match, locale) => moneyText(match.attributes.price, match.attributes.currency, locale);

/** What it cost before, where it is cheaper now; else an empty text. @param {Match} match @param {string} [locale] */
export function priceBefore(match, locale) {
  const { price, list_price: before, currency } = match.attributes;
  return typeof price === "number" && typeof before === "number" && before > price ? moneyText(before, currency, locale) : "";
}

/** A sum with its currency, or an empty text. @param {any} price @param {any} currency @param {string} [locale] */
export function moneyText(price, currency, locale) {
  if (typeof price !== "number" || !Number.isFinite(price)) return "";
  if (typeof currency === "string" && /^[A-Za-z]{3}$/.test(currency)) {
    return new Intl.NumberFormat(locale, { style: "currency", currency: currency.toUpperCase() }).format(price);
  }
  return new Intl.NumberFormat(locale, { maximumFractionDigits: 2 }).format(price);
}

/** Whether it can be had: null where the catalogue does not say. @param {Match} match @returns {boolean | null} */
export function stockOf(match) {
  const { in_stock: said, availability } = match.attributes;
  if (typeof said === "boolean") return said;
  return typeof availability === "string" && availability ? !/out|sold/i.test(availability) : null;
}

/** Colour and size, as far as the catalogue says them. @param {Match} match @returns {string[]} */
export function looksOf(match) {
  const first = (/** @type {string[]} */ names) => names.map((name) => attribute(match, name)).find(Boolean) ?? "";
  const sides = ["width", "depth", "height"]
    .map((side) => match.attributes[`${side}_cm`]).filter((side) => typeof side === "number" && side > 0);
  const size = first(["size", "sizes"])
    || (sides.length > 1 ? `${sides.map((side) => Math.round(side)).join(" × ")} cm` : "");
  return [first(["colour", "color"]), size].filter(Boolean);
}

/**
 * An address that may be linked: http and https only, so that a catalogue cannot smuggle in
 * `javascript:` or `data:`.
 * @param {any} text @returns {string | null}
 */
export function safeLink(text) {
  if (typeof text !== "string") return null;
  try {
    const url = new URL(text.trim());
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

const PARTS = {
  similarity: "Similarity",
  meaning: "Kind of thing",
  cutout: "Shape and material",
  context: "With its surroundings",
  colour: "Colour",
  text: "Description",
  words: "Your words",
  words_colour: "Colour you asked for",
  words_category: "Category you asked for",
  words_not: "Nothing you ruled out",
  rerank: "Second look",
};

/** What a part of a score is called. @param {string} name */
export function partName(name) {
  if (name in PARTS) return PARTS[/** @type {keyof typeof PARTS} */ (name)];
  const words = name.replaceAll("_", " ").replaceAll(":", ": ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The parts of a score that can be drawn, largest first. @param {Record<string, number | null>} parts @returns {[string, number][]} */
export function partsToShow(parts) {
  const known = /** @type {[string, number][]} */ (
    Object.entries(parts).filter(([, value]) => typeof value === "number" && Number.isFinite(value)));
  return known.sort((a, b) => (a[0] === "similarity" ? -1 : b[0] === "similarity" ? 1 : b[1] - a[1]));
}

/** A cosine or a share in hundredths. @param {number | null} score */
export const percent = (score) => (typeof score === "number" ? `${Math.round(score * 100)} %` : "–");

/** How long something took. @param {number} ms */
export const seconds = (ms) => (ms < 950 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/**
 * A list in the order of a field; what has no such value comes last, ties stay as they were.
 * @param {Match[]} matches @param {string} sort a field's name, a leading "-" for falling order
 */
export function sorted(matches, sort) {
  if (!sort) return matches;
  const falling = sort.startsWith("-");
  const field = falling ? sort.slice(1) : sort;
  const has = (/** @type {Match} */ match) => ["number", "string"].includes(typeof match.attributes[field]);
  const compare = (/** @type {Match} */ a, /** @type {Match} */ b) => {
    const [x, y] = [a.attributes[field], b.attributes[field]];
    if (typeof x === "number" && typeof y === "number") return x - y;
    return String(x).localeCompare(String(y));
  };
  const ordered = matches.filter(has).sort((a, b) => (falling ? -compare(a, b) : compare(a, b)));
  return [...ordered, ...matches.filter((match) => !has(match))];
}
