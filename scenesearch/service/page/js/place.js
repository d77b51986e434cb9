/**
 * What the address says: everything that is asked, so that back, forward, reload and a link that
 * is sent to somebody show the same again. Pure.
 *
 * It is kept after the `#`, which a browser never sends: a query id opens what was found in a
 * photo, and belongs into no log.
 *
 * @typedef {import("./state.js").State} State
 * @typedef {{photo: string | null, query: string | null, target: import("./state.js").Target,
 *   box: import("./geometry.js").Box | null, view: "objects" | "list", product: string | null,
 *   saved: string[], refinement: import("./request.js").Refinement}} Place
 */
import { noFilters, readPrice } from "./filters.js";
import { isMeant, rounded } from "./geometry.js";
import { LESS, MORE, noRefinement, OBJECTS, PRESETS } from "./request.js";

const FIELD = "is.";
const SORTS = ["price", "-price"];

/** The address of what a state shows, without `#`; empty for the first screen. @param {State} state @returns {string} */
export function placeOf(state) {
  if (!state.searching) return "";
  const { refinement: asked, photo } = state;
  const found = new URLSearchParams();
  if (photo) found.set("photo", photo.id);
  if (photo && state.queryId) found.set("query", state.queryId);
  if (typeof state.target === "number") found.set("object", String(state.target + 1));
  if (state.target === "area" && state.box) found.set("area", rounded(state.box).join(","));
  if (state.view === "list") found.set("view", "list");
  if (asked.words.trim()) found.set("words", asked.words.trim());
  for (const [field, values] of Object.entries(asked.filters.values)) {
    for (const value of values) found.append(FIELD + field, value);
  }
  for (const colour of asked.filters.colours) found.append("colour", colour);
  const { min, max } = asked.filters.price;
  if (min !== null || max !== null) found.set("price", `${min ?? ""}..${max ?? ""}`);
  for (const item of asked.items) found.append(item.weight > 0 ? "more" : "less", item.id);
  const usual = noRefinement();
  if (asked.sort) found.set("sort", asked.sort);
  if (asked.preset !== usual.preset) found.set("preset", asked.preset);
  if (asked.objects !== usual.objects) found.set("objects", String(asked.objects));
  if (state.product) found.set("product", state.product);
  return String(found);
}

/** Whether two addresses differ in nothing but the id the service gave. @param {string} a @param {string} b */
export function isSameStep(a, b) {
  const [one, other] = [new URLSearchParams(a), new URLSearchParams(b)];
  one.delete("query");
  other.delete("query");
  return String(one) === String(other);
}

/**
 * What an address asks for; null for the first screen. What makes no sense in it is left out.
 * @param {string} text with or without `#` @returns {Place | null}
 */
export function readPlace(text) {
  const said = new URLSearchParams(text.replace(/^#/, ""));
  const box = readBox(said.get("area"));
  const number = Number(said.get("object"));
  const [low, high] = (said.get("price") ?? "").split("..");
  const refinement = {
    ...noRefinement(),
    words: (said.get("words") ?? "").slice(0, 1000),
    filters: {
      ...noFilters(),
      values: valuesOf(said),
      colours: said.getAll("colour"),
      price: { min: readPrice(low ?? ""), max: readPrice(high ?? "") },
    },
    items: [...liked(said, "more", MORE), ...liked(said, "less", LESS)],
    sort: oneOf(SORTS, said.get("sort"), ""),
    preset: oneOf(PRESETS.map(([name]) => name), said.get("preset"), noRefinement().preset),
    objects: oneOf(OBJECTS, Number(said.get("objects")), noRefinement().objects),
  };
  const photo = said.get("photo");
  const saved = said.getAll("saved").slice(0, 100);
  if (!photo && !saved.length && !refinement.words && !refinement.items.length) return null;
  return {
    photo, query: said.get("query"), box, refinement, saved,
    target: box ? "area" : Number.isInteger(number) && number > 0 ? number - 1 : "all",
    view: said.get("view") === "list" ? "list" : "objects",
    product: said.get("product"),
  };
}

/** @template T @param {readonly T[]} allowed @param {T | null} given @param {T} otherwise */
const oneOf = (allowed, given, otherwise) =>
  (given !== null && allowed.includes(given) ? given : otherwise);

/** @param {URLSearchParams} said @param {string} name @param {number} weight */
const liked = (said, name, weight) => said.getAll(name).map((id) => ({ id, title: id, weight }));

/** @param {URLSearchParams} said */
function valuesOf(said) {
  /** @type {Record<string, string[]>} */
  const values = Object.create(null);
  for (const [name, value] of said) {
    if (name.startsWith(FIELD)) (values[name.slice(FIELD.length)] ??= []).push(value);
  }
  return values;
}

/** @param {string | null} text @returns {import("./geometry.js").Box | null} */
function readBox(text) {
  const sides = (text ?? "").split(",").map(Number);
  const inside = sides.length === 4 && sides.every((side) => side >= 0 && side <= 1);
  const box = /** @type {import("./geometry.js").Box} */ (sides);
  return inside && isMeant(box) ? box : null;
}
