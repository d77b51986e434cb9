/**
 * What was understood of some words, as parts that can be taken away one by one.
 *
 * The service answers with what it understood (docs/words.md); a part that is taken away is left
 * out when the words are written anew from the others.
 *
 * @typedef {{colours: string[], not_colours: string[], categories: string[], kinds: string[], near: string[],
 *   not_categories: string[], price: Record<string, number> | null, currency: string | null,
 *   in_stock: boolean | null, remaining: string, not_words: string[], notes: string[],
 *   understood: string[], text: string}} Parsed
 * @typedef {{key: string, text: string, words: string}} Part
 */

/** The parts of some understood words, each with how to write it. @param {Parsed | null} parsed @returns {Part[]} */
export function partsOf(parsed) {
  if (!parsed) return [];
  /** @type {Part[]} */
  const parts = [];
  const add = (/** @type {string} */ kind, /** @type {string} */ value, /** @type {string} */ text, /** @type {string} */ words) =>
    parts.push({ key: `${kind}:${value}`, text, words });
  for (const name of parsed.colours) add("colour", name, `Colour: ${name}`, name);
  for (const name of parsed.not_colours) add("not", name, `Not ${name}`, `not ${name}`);
  if (parsed.categories.length) {
    const [first, ...more] = parsed.categories;
    add("category", first, `Category: ${first}${more.length ? ` and ${more.length} more` : ""}`, first);
  }
  for (const name of parsed.not_categories) add("notcategory", name, `Not ${name}`, `not ${name}`);
  if (parsed.price) {
    const written = priceWords(parsed.price, parsed.currency);
    add("price", written, written, written);
  }
  if (parsed.in_stock !== null) {
    const written = parsed.in_stock ? "in stock" : "sold out";
    add("stock", written, written, written);
  }
  if (parsed.remaining) add("words", parsed.remaining, `“${parsed.remaining}”`, parsed.remaining);
  for (const word of parsed.not_words) add("without", word, `Without ${word}`, `without ${word}`);
  return parts.map((part) => ({ ...part, text: part.text.charAt(0).toUpperCase() + part.text.slice(1) }));
}

/** The words without one of their parts. @param {Parsed} parsed @param {string} key @returns {string} */
export const wordsWithout = (parsed, key) =>
  partsOf(parsed).filter((part) => part.key !== key).map((part) => part.words).join(", ");

/**
 * Whether a text compares with what is shown, as the service reads it (docs/refine.md): it is
 * said of an answer and no new words.
 */
const COMPARISON = new RegExp(
  "^(?:(?:something|a|bit|little|much|even|and|but) )*(?:cheaper|less expensive|more expensive|pricier|wider|narrower|"
  + "taller|shorter|longer|deeper|bigger|larger|smaller|g\u00fcnstiger|billiger|teurer|(?:moins|plus) ch[e\u00e8]re?s?|"
  + "m[a\u00e1]s (?:barat|car)[oa]s?)(?: ones?)?(?: please)?$|^something else$|"
  + "^(?:(?:not|only) (?:that|this)|another|(?:a )?different|(?:the )?same) (?:brand|make|maker|colou?r|kind|type|category|one|product)$", "iu");

/** @param {string} text */
export const isComparison = (text) => COMPARISON.test(text.trim().replaceAll(/\s+/g, " "));

/** A turn as a chip says it. @param {import("./request.js").Turn} turn @returns {string} */
export function turnText({ words, where }) {
  const said = words ?? /= "((?:[^"\\]|\\.)*)"$/.exec(where ?? "")?.[1]?.replaceAll(/\\(.)/g, "$1")
    ?? (where ?? "").replace(/^price < /, "under ");
  return said.charAt(0).toUpperCase() + said.slice(1);
}

/** What a comparison came to for one object: its bound, as people say it. @param {{understood: string[]} | undefined} read @param {number | null} object */
export function boundText(read, object) {
  const known = (read?.understood ?? []).map((text) => /^(?:(\d+): )?(.+)$/.exec(text));
  const own = known.find((found) => found && (found[1] === undefined ? object === null : Number(found[1]) === object));
  // an id says nothing to people
  return own && !own[2].startsWith("item_id ") ? own[2].replace(/^price < /, "under ").replace(/^price > /, "over ").replace(/^\w+ != /, "not ").replace(/^\w+ = /, "") : "";
}

/** Bounds of a price, as the service reads them again. @param {Record<string, number>} price @param {string | null} currency */
function priceWords(price, currency) {
  const low = price.gte ?? price.gt;
  const high = price.lte ?? price.lt;
  const unit = currency ? ` ${currency}` : "";
  if (low != null && high != null) return `from ${low} to ${high}${unit}`;
  if (high != null) return `${price.lt != null ? "under" : "at most"} ${high}${unit}`;
  return `${price.gt != null ? "over" : "at least"} ${low}${unit}`;
}
