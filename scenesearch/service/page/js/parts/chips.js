/** What was chosen, said or understood, each with a button to take it back; and what may come next. */
import { chipsOf, noFilters } from "../filters.js";
import { readable, regionName } from "../format.js";
import { html } from "../lib.js";
import { turnsOf } from "../request.js";
import { boundText, partsOf, turnText, wordsWithout } from "../words.js";
import { Icon } from "./icons.js";

/**
 * @typedef {import("../request.js").Refinement} Refinement
 * @typedef {import("../format.js").Look} Look
 * @typedef {(changes: Partial<Refinement>) => void} Refine
 */

/** @param {{text: string, onRemove: () => void, kind?: string}} props */
const Chip = ({ text, onRemove, kind = "" }) => html`
  <li class=${`chip ${kind}`}>
    <span class="chip-text" dir="auto">${text}</span>
    <button type="button" onClick=${onRemove} aria-label=${`Remove ${text}`}><${Icon} name="cross" /></button>
  </li>`;

/** @param {{refinement: Refinement, look: Look | null, object: number | null, refine: Refine}} props object: the chosen one */
export function Chips({ refinement, look, object, refine }) {
  const { filters, items, words, own, turns } = refinement;
  const parsed = look?.parsed;
  const current = parsed && words.trim() ? parsed : null;
  const parts = partsOf(current);
  const chips = chipsOf(filters);
  const isHere = (/** @type {number | null} */ of) => object === null || of === null || of === object;
  const named = (/** @type {number | null} */ of, /** @type {string} */ text) => {
    const region = of === null || of === object ? null : look?.regions[of - 1];
    return of === null || of === object ? text : `${of}. ${region ? regionName(region) : "Object"}: ${text}`;
  };
  const owned = Object.entries(own).filter(([number]) => isHere(Number(number))).flatMap(([number, one]) =>
    chipsOf(one).map((chip) => ({
      key: `${number}:${chip.key}`, text: named(Number(number), chip.text),
      onRemove: () => refine({ own: { ...own, [number]: chip.without } }),
    })));
  const before = turnsOf(refinement).length - turns.length;
  const said = turns.map((turn, index) => {
    const bound = turn.to ? boundText(look?.refined?.[before + index], turn.object ?? object) : "";
    return { turn, key: `turn ${index}`, text: named(turn.object, bound ? `${turnText(turn)} (${bound})` : turnText(turn)) };
  }).filter(({ turn }) => isHere(turn.object));
  const any = parts.length + chips.length + owned.length + said.length + items.length > 0;
  const clear = () => refine({ filters: noFilters(), own: {}, turns: [], items: [], words: "" });
  return html`
    <div class="chips-box">
      ${any && html`
        <ul class="chips" aria-label="Active filters">
          ${parts.map((part) => html`<${Chip} key=${part.key} kind="is-word" text=${part.text}
            onRemove=${() => current && refine({ words: wordsWithout(current, part.key) })} />`)}
          ${chips.map((chip) => html`<${Chip} key=${chip.key} text=${chip.text}
            onRemove=${() => refine({ filters: chip.without })} />`)}
          ${owned.map((chip) => html`<${Chip} ...${chip} />`)}
          ${said.map(({ turn, key, text }) => html`<${Chip} key=${key} kind="is-turn" text=${text}
            onRemove=${() => refine({ turns: turns.filter((one) => one !== turn) })} />`)}
          ${items.map((item) => html`<${Chip} key=${item.id} kind=${item.weight > 0 ? "is-more" : "is-less"}
            text=${`${item.weight > 0 ? "More" : "Less"} like ${item.title}`}
            onRemove=${() => refine({ items: items.filter((one) => one !== item) })} />`)}
          <li><button type="button" class="link-button" onClick=${clear}>Clear all</button></li>
        </ul>`}
      ${current?.notes.map((note) => html`<p class="note" key=${note}>${note}</p>`)}
    </div>`;
}

/**
 * What splits the list that is shown: one press narrows it.
 * @param {{look: Look, object: number | null, refinement: Refinement, fields: Record<string, string>, refine: Refine}} props
 */
export function Suggestions({ look, object, refinement, fields, refine }) {
  const add = (/** @type {import("../request.js").Turn} */ turn) => () => refine({ turns: [...refinement.turns, turn] });
  const has = (/** @type {import("../request.js").Turn} */ turn) => refinement.turns.some((one) => one.where === turn.where && one.words === turn.words && one.object === turn.object);
  const found = (look.suggestions ?? []).filter((one) => one.object === object)
    .map(({ text, where, count }) => ({ text: readable(text), count, turn: { where, object } }));
  const compared = [...(fields.price ? ["Cheaper"] : []), ...(fields.brand ? ["Another brand"] : [])]
    .map((text) => ({ text, count: 0, turn: { words: text.toLowerCase(), object } }));
  const all = [...compared, ...found].filter(({ turn }) => turn.words === "cheaper" || !has(turn));
  if (!all.length) return null;
  return html`
    <ul class="suggestions" aria-label="Narrow it">
      ${all.map(({ text, count, turn }) => html`
        <li key=${turn.where ?? turn.words}><button type="button" class="suggestion" onClick=${add(turn)}>
          <span dir="auto">${text}</span>${count > 0 && html`<span class="option-count">${count}<span class="hidden"> of these</span></span>`}
        </button></li>`)}
    </ul>`;
}
