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
/** As many as the service takes, with room for filters of single objects. */
const MOST_TURNS = 10;
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
  writeFilters(found, asked.filters, "");
  for (const [number, filters] of Object.entries(asked.own)) writeFilters(found, filters, `${number}.`);
  for (const { object, words, where, to } of asked.turns) {
    found.append("turn", `${object ?? ""}${words ? "~" : "="}${words ?? where}`);
    for (const [number, id] of Object.entries(to ?? {})) found.append("to", `${number}=${id}`);
  }
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
  const refinement = {
    ...noRefinement(),
    words: (said.get("words") ?? "").slice(0, 1000),
    filters: readFilters(said, ""),
    own: readOwn(said),
    turns: readTurns(said).slice(0, MOST_TURNS),
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

/** @param {URLSearchParams} found @param {import("./filters.js").Filters} filters @param {string} of before each name: of which object */
function writeFilters(found, filters, of) {
  for (const [field, values] of Object.entries(filters.values)) {
    for (const value of values) found.append(of + FIELD + field, value);
  }
  for (const colour of filters.colours) found.append(`${of}colour`, colour);
  const { min, max } = filters.price;
  if (min !== null || max !== null) found.set(`${of}price`, `${min ?? ""}..${max ?? ""}`);
}

/** @param {URLSearchParams} said @param {string} of @returns {import("./filters.js").Filters} */
function readFilters(said, of) {
  /** @type {Record<string, string[]>} */
  const values = Object.create(null);
  for (const [name, value] of said) {
    if (name.startsWith(of + FIELD)) (values[name.slice(of.length + FIELD.length)] ??= []).push(value);
  }
  const [low, high] = (said.get(`${of}price`) ?? "").split("..");
  return {
    ...noFilters(), values, colours: said.getAll(`${of}colour`),
    price: { min: readPrice(low ?? ""), max: readPrice(high ?? "") },
  };
}

/** Filters of single objects. @param {URLSearchParams} said */
function readOwn(said) {
  /** @type {Record<number, import("./filters.js").Filters>} */
  const own = {};
  for (const name of said.keys()) {
    const number = Number(/^([1-9]\d?)\.(?:is\.|colour$|price$)/.exec(name)?.[1] ?? 0);
    if (number) own[number] ??= readFilters(said, `${number}.`);
  }
  return own;
}

/** Turns, each followed by what it was compared with. @param {URLSearchParams} said */
function readTurns(said) {
  /** @type {import("./request.js").Turn[]} */
  const turns = [];
  for (const [name, value] of said) {
    if (name === "turn") turns.push(...readTurn(value));
    const [, number, id] = (name === "to" && /^([1-9]?\d)=(.+)$/s.exec(value)) || [];
    const last = turns.at(-1);
    if (number && last?.words) last.to = { ...last.to, [number]: id };
  }
  return turns;
}

/** @param {string} text @returns {import("./request.js").Turn[]} */
function readTurn(text) {
  const [, number, kind, said] = /^([1-9]\d?)?([~=])(.+)$/s.exec(text) ?? [];
  if (!said) return [];
  const object = number ? Number(number) : null;
  return [kind === "~" ? { words: said.slice(0, 1000), object } : { where: said.slice(0, 4000), object }];
}

/** @param {string | null} text @returns {import("./geometry.js").Box | null} */
function readBox(text) {
  const sides = (text ?? "").split(",").map(Number);
  const inside = sides.length === 4 && sides.every((side) => side >= 0 && side <= 1);
  const box = /** @type {import("./geometry.js").Box} */ (sides);
  return inside && isMeant(box) ? box : null;
}
