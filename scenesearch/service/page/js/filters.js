/**
 * What was chosen in the panels, as the filter text of docs/filters.md.
 *
 * @typedef {{min: number | null, max: number | null}} Range
 * @typedef {{values: Record<string, string[]>, colours: string[], price: Range}} Filters
 */
import { namesOf } from "./colours.js";
import { readable } from "./format.js";

/** The stored field that holds the colours seen in the photos. */
export const COLOUR_FIELD = "colour_names";

/**
 * Fields that say nothing to a shopper: ids, what groups variants, addresses, units. `colour` is
 * what the shop wrote; where the photos say it too, that is one filter and not two.
 */
const INTERNAL = /^(group|item_group_id|parent|family|handle|sku|mpn|gtin|ean|upc|isbn|id|.*_ids?|url|.*_url|image.*|link|source|file|photo.*|currency|locale|language|country|title|description|tags?|availability)$/i;

/** Whether a shopper may choose by a field. @param {string} field @param {Record<string, string>} fields types by name */
export function isChoosable(field, fields) {
  if (field === COLOUR_FIELD || INTERNAL.test(field)) return false;
  return !(COLOUR_FIELD in fields && (field === "colour" || field === "color"));
}

/** @returns {Filters} */
export const noFilters = () => ({ values: {}, colours: [], price: { min: null, max: null } });

/** A value in quotes, as the language of filters reads it. @param {string} text */
export const quoted = (text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

/** A field's name, quoted: its letters may be anything. @param {string} field @param {string[]} values */
function oneOf(field, values) {
  const name = quoted(field);
  return values.length === 1
    ? `${name} = ${quoted(values[0])}`
    : `${name} in (${values.map(quoted).join(", ")})`;
}

/** The filter text, or null where nothing is chosen. @param {Filters} filters @returns {string | null} */
export function whereText(filters) {
  const terms = Object.entries(filters.values)
    .filter(([, values]) => values.length)
    .map(([field, values]) => oneOf(field, values));
  const names = namesOf(filters.colours);
  if (names.length) terms.push(oneOf(COLOUR_FIELD, names));
  if (filters.price.min !== null) terms.push(`price >= ${filters.price.min}`);
  if (filters.price.max !== null) terms.push(`price <= ${filters.price.max}`);
  return terms.length ? terms.join(" and ") : null;
}

/** With a value of a field chosen, or no longer. @param {Filters} filters @param {string} field @param {string} value @returns {Filters} */
export function toggledValue(filters, field, value) {
  const values = toggled(filters.values[field] ?? [], value);
  return { ...filters, values: { ...filters.values, [field]: values } };
}

/** With a colour family chosen, or no longer. @param {Filters} filters @param {string} family @returns {Filters} */
export const toggledColour = (filters, family) =>
  ({ ...filters, colours: toggled(filters.colours, family) });

/** @param {string[]} list @param {string} value */
const toggled = (list, value) =>
  list.includes(value) ? list.filter((one) => one !== value) : [...list, value];

/** How many choices there are. @param {Filters} filters */
export function countOf(filters) {
  const values = Object.values(filters.values).reduce((sum, list) => sum + list.length, 0);
  const price = filters.price.min !== null || filters.price.max !== null;
  return values + filters.colours.length + (price ? 1 : 0);
}

/**
 * One entry for each choice, to be shown and taken back.
 * @param {Filters} filters
 * @returns {{key: string, text: string, without: Filters}[]}
 */
export function chipsOf(filters) {
  const chips = Object.entries(filters.values).flatMap(([field, values]) =>
    values.map((value) => ({
      key: `${field}:${value}`,
      text: value === "true" ? fieldTitle(field) : `${fieldTitle(field)}: ${value}`,
      without: toggledValue(filters, field, value),
    })));
  for (const family of filters.colours) {
    chips.push({ key: `colour:${family}`, text: `Colour: ${family}`, without: toggledColour(filters, family) });
  }
  const { min, max } = filters.price;
  if (min !== null || max !== null) {
    const text = min === null ? `Price: up to ${max}`
      : max === null ? `Price: from ${min}` : `Price: ${min} to ${max}`;
    chips.push({ key: "price", text, without: { ...filters, price: { min: null, max: null } } });
  }
  return chips;
}

/** A field's name as a heading. @param {string} field */
export function fieldTitle(field) {
  if (field === COLOUR_FIELD) return "Colour";
  return readable(field);
}

/** What a person typed as a price, or null. @param {string} text @returns {number | null} */
export function readPrice(text) {
  const number = Number(text.trim().replace(",", "."));
  return text.trim() !== "" && Number.isFinite(number) && number >= 0 ? number : null;
}
