/**
 * The wish list: kept in this browser, exported as a file, shared as an address.
 *
 * @typedef {{id: string, title: string, price: string, photo: string | null, url: string | null}} Saved
 */
import { priceOf, safeLink, titleOf } from "./format.js";

const NAME = "scenesearch-saved";
const MOST = 500;

/** What is kept of a product: enough to show it while the catalogue does not answer. @param {import("./format.js").Match} match @returns {Saved} */
export const savedOf = (match) => ({
  id: match.item_id, title: titleOf(match), price: priceOf(match), photo: match.photo_url, url: safeLink(match.attributes.url),
});

/** @returns {Saved[]} */
export function readSaved() {
  try {
    const found = JSON.parse(localStorage.getItem(NAME) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one?.id === "string" && typeof one.title === "string") : [];
  } catch {
    return []; // storage may be forbidden, or hold what another page wrote
  }
}

/** @param {Saved[]} list */
export function writeSaved(list) {
  try {
    if (list.length) localStorage.setItem(NAME, JSON.stringify(list));
    else localStorage.removeItem(NAME);
  } catch {
    // forbidden or full; the list then lasts as long as the page
  }
}

/** With a product on the list, or no longer. @param {Saved[]} list @param {Saved} product @returns {Saved[]} */
export function toggledSaved(list, product) {
  const others = list.filter((one) => one.id !== product.id);
  return others.length < list.length ? others : [product, ...list].slice(0, MOST);
}

/** The list as a table for a spreadsheet. @param {Saved[]} list */
export function csvOf(list) {
  // a cell that begins like a formula is text to a spreadsheet only behind an apostrophe
  const cell = (/** @type {string | null} */ text) =>
    `"${(/^[=+\-@\t\r]/.test(text ?? "") ? "'" : "") + (text ?? "").replaceAll('"', '""')}"`;
  const rows = list.map((one) => [one.id, one.title, one.price, one.url].map(cell).join(","));
  return ["id,title,price,url", ...rows].join("\r\n");
}

/** An address that shows the list to whoever opens it. @param {Saved[]} list @param {string} base */
export function linkOf(list, base) {
  const said = new URLSearchParams(list.map((one) => ["saved", one.id]));
  return `${base}#${said}`;
}
