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

/** Bounds of a price, as the service reads them again. @param {Record<string, number>} price @param {string | null} currency */
function priceWords(price, currency) {
  const low = price.gte ?? price.gt;
  const high = price.lte ?? price.lt;
  const unit = currency ? ` ${currency}` : "";
  if (low != null && high != null) return `from ${low} to ${high}${unit}`;
  if (high != null) return `${price.lt != null ? "under" : "at most"} ${high}${unit}`;
  return `${price.gt != null ? "over" : "at least"} ${low}${unit}`;
}
