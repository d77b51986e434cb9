/** Words to refine with, the filters, and the order. */
import { countsByFamily, FAMILIES } from "../colours.js";
import { COLOUR_FIELD, fieldTitle, isChoosable, readPrice, toggledColour, toggledValue } from "../filters.js";
import { readable } from "../format.js";
import { html, useEffect, useState } from "../lib.js";
import { OBJECTS, PRESETS } from "../request.js";
import { isComparison } from "../words.js";
import { Icon } from "./icons.js";
import { Panel } from "./panel.js";

/**
 * @typedef {import("../request.js").Refinement} Refinement
 * @typedef {{value: any, count: number}[]} Counts
 * @typedef {{refinement: Refinement, refine: (changes: Partial<Refinement>) => void}} Refining
 */

const MANY = 10;
const SHOWN = 60;

/** @param {Refining & {hint: string, object: number | null}} props object: the chosen one, which a comparison is about */
export function Words({ refinement, refine, hint, object }) {
  const [text, setText] = useState(refinement.words);
  useEffect(() => setText(refinement.words), [refinement.words]);
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!isComparison(text)) return refine({ words: text.trim() });
    // said of what is shown: a step more, and the words stay
    setText(refinement.words);
    return refine({ turns: [...refinement.turns, { words: text.trim(), object }] });
  };
  return html`
    <form class="words" role="search" onSubmit=${onSubmit}>
      <label class="hidden" for="words">Refine in words</label>
      <${Icon} name="search" />
      <input id="words" type="search" dir="auto" maxlength="1000" autocomplete="off" placeholder=${hint} value=${text}
        onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
      <button type="submit" class="button is-small">Refine</button>
    </form>`;
}

/** @param {Refining & {field: string, counts: Counts}} props */
function Values({ refinement, refine, field, counts }) {
  const [part, setPart] = useState("");
  const chosen = refinement.filters.values[field] ?? [];
  const missing = chosen.filter((value) => !counts.some((entry) => String(entry.value) === value));
  const all = [...missing.map((value) => ({ value, count: 0 })), ...counts];
  const fitting = all.filter((entry) => String(entry.value).toLowerCase().includes(part.toLowerCase().trim()));
  const toggle = (/** @type {string} */ value) => refine({ filters: toggledValue(refinement.filters, field, value) });
  return html`
    ${all.length > MANY && html`<input class="field" type="search" aria-label=${`Find in ${fieldTitle(field)}`}
      placeholder=${`Find in ${all.length}`} value=${part}
      onInput=${(/** @type {any} */ event) => setPart(event.target.value)} />`}
    <ul class="options">
      ${fitting.slice(0, SHOWN).map((entry) => {
        const value = String(entry.value);
        return html`
          <li key=${value}><label class="option">
            <input type="checkbox" checked=${chosen.includes(value)} onChange=${() => toggle(value)} />
            <span class="option-text" dir="auto">${readable(value)}</span>
            ${entry.count > 0 && html`<span class="option-count">${entry.count}</span>`}
          </label></li>`;
      })}
    </ul>
    ${fitting.length === 0 && html`<p class="note">Nothing of that name</p>`}`;
}

/** @param {Refining & {counts: Counts}} props */
function Swatches({ refinement, refine, counts }) {
  const { filters } = refinement;
  const byFamily = countsByFamily(counts);
  return html`
    <ul class="swatches">
      ${FAMILIES.map(({ name, hex }) => html`
        <li key=${name}><label class="swatch">
          <input type="checkbox" checked=${filters.colours.includes(name)}
            onChange=${() => refine({ filters: toggledColour(filters, name) })} />
          <span class="swatch-dot" style=${{ backgroundColor: hex }}></span>
          <span class="swatch-name">${name}</span>
          ${byFamily.has(name) && html`<span class="hidden">, ${byFamily.get(name)}</span>`}
        </label></li>`)}
    </ul>`;
}

/** @param {Refining & {bounds: {min: number, max: number} | null}} props */
function Price({ refinement, refine, bounds }) {
  const { filters } = refinement;
  const { price } = filters;
  const [low, setLow] = useState(price.min === null ? "" : String(price.min));
  const [high, setHigh] = useState(price.max === null ? "" : String(price.max));
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const [min, max] = [readPrice(low), readPrice(high)];
    const swapped = min !== null && max !== null && min > max;
    refine({ filters: { ...filters, price: swapped ? { min: max, max: min } : { min, max } } });
  };
  const entry = (/** @type {string} */ id, /** @type {string} */ label, /** @type {string} */ value,
    /** @type {(text: string) => void} */ set, /** @type {number | undefined} */ hint) => html`
    <label class="price-entry" for=${id}><span>${label}</span>
      <input id=${id} class="field" type="text" inputmode="decimal" autocomplete="off" value=${value}
        placeholder=${hint === undefined ? "" : String(hint)}
        onInput=${(/** @type {any} */ event) => set(event.target.value)} />
    </label>`;
  return html`
    <form class="price" onSubmit=${onSubmit}>
      <div class="price-row">
        ${entry("price-low", "From", low, setLow, bounds ? Math.floor(bounds.min) : undefined)}
        ${entry("price-high", "Up to", high, setHigh, bounds ? Math.ceil(bounds.max) : undefined)}
      </div>
      <button type="submit" class="button is-small">Apply price</button>
    </form>`;
}

/** @param {Refining & {withPhoto: boolean}} props */
function Tuning({ refinement, refine, withPhoto }) {
  return html`
    <fieldset class="choices"><legend>Match by</legend>
      ${PRESETS.map(([value, label]) => html`
        <label class="option" key=${value}>
          <input type="radio" name="preset" value=${value} checked=${refinement.preset === value}
            onChange=${() => refine({ preset: value })} />
          <span class="option-text">${label}</span>
        </label>`)}
    </fieldset>
    ${withPhoto && html`
      <fieldset class="choices"><legend>Objects looked for</legend>
        ${OBJECTS.map((count) => html`
          <label class="option" key=${count}>
            <input type="radio" name="objects" value=${count} checked=${refinement.objects === count}
              onChange=${() => refine({ objects: count })} />
            <span class="option-text">Up to ${count}</span>
          </label>`)}
      </fieldset>`}`;
}

/** @param {{fields: Record<string, string>, refinement: Refinement, refine: Refining["refine"]}} props */
function Sort({ fields, refinement, refine }) {
  const choices = [["", "Best match"]];
  if (fields.price) choices.push(["price", "Price, low to high"], ["-price", "Price, high to low"]);
  if (choices.length === 1) return null;
  return html`
    <label class="sort pill"><span class="hidden">Sort by</span>
      <select value=${refinement.sort} onChange=${(/** @type {any} */ event) => refine({ sort: event.target.value })}>
        ${choices.map(([value, label]) => html`<option key=${value} value=${value} selected=${value === refinement.sort}>${label}</option>`)}
      </select>
      <${Icon} name="down" />
    </label>`;
}

/**
 * @param {Refining & {catalogue: import("../state.js").State["catalogue"], facets: Record<string, Counts>,
 *   name: string, withPhoto: boolean, view: "objects" | "list" | null, onView: (view: "objects" | "list") => void}} props
 *   facets: of the answer, where it has any; view: null where there is one way to show it
 */
export function Toolbar({ name, refinement, refine, catalogue, facets, withPhoto, view, onView }) {
  const { fields } = catalogue;
  const counts = (/** @type {string} */ field) => {
    // the answer's own values come first, while they are not narrowed by this very field
    const narrowed = (refinement.filters.values[field] ?? []).length > 0;
    const own = narrowed ? [] : facets[field] ?? [];
    const seen = new Set(own.map((entry) => entry.value));
    const whole = Array.isArray(catalogue.facets[field]) ? catalogue.facets[field] : [];
    return [...own, ...whole.filter((/** @type {any} */ entry) => !seen.has(entry.value))];
  };
  const listed = Object.entries(catalogue.facets)
    .filter(([field, values]) => Array.isArray(values) && values.length > 1 && fields[field] === "keyword" && isChoosable(field, fields))
    .map(([field]) => field);
  const first = ["category", "brand"].filter((field) => listed.includes(field));
  const others = listed.filter((field) => !first.includes(field)).slice(0, 3);
  const chosen = (/** @type {string} */ field) => (refinement.filters.values[field] ?? []).length;
  const range = catalogue.facets.price;
  const { price } = refinement.filters;
  const values = (/** @type {string} */ field) => html`
    <${Panel} key=${field} name=${`f-${field.replaceAll(/\W/g, "-")}`} label=${fieldTitle(field)} count=${chosen(field)}>
      <${Values} refinement=${refinement} refine=${refine} field=${field} counts=${counts(field)} />
    <//>`;
  return html`
    <div class="toolbar" role="group" aria-label=${name}>
      ${first.map(values)}
      ${COLOUR_FIELD in fields && html`
        <${Panel} name="colour" label="Colour" count=${refinement.filters.colours.length}>
          <${Swatches} refinement=${refinement} refine=${refine} counts=${counts(COLOUR_FIELD)} />
        <//>`}
      ${fields.price && html`
        <${Panel} name="price" label="Price" count=${price.min !== null || price.max !== null ? 1 : 0}>
          <${Price} key=${JSON.stringify(price)} refinement=${refinement} refine=${refine}
            bounds=${range && typeof range.min === "number" ? range : null} />
        <//>`}
      ${others.map(values)}
      ${fields.in_stock === "bool" && html`
        <button type="button" class=${`pill ${chosen("in_stock") ? "is-on" : ""}`}
          aria-pressed=${chosen("in_stock") ? "true" : "false"}
          onClick=${() => refine({ filters: toggledValue(refinement.filters, "in_stock", "true") })}>In stock</button>`}
      <${Panel} name="tuning" label="Match by" icon="sliders"
        count=${(refinement.preset ? 1 : 0) + (withPhoto && refinement.objects !== 8 ? 1 : 0)}>
        <${Tuning} refinement=${refinement} refine=${refine} withPhoto=${withPhoto} />
      <//>
      ${view && html`
        <button type="button" class=${`pill ${view === "list" ? "is-on" : ""}`} aria-pressed=${view === "list" ? "true" : "false"}
          onClick=${() => onView(view === "list" ? "objects" : "list")}>One list</button>`}
      <${Sort} fields=${fields} refinement=${refinement} refine=${refine} />
    </div>`;
}
