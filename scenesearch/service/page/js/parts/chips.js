/** What was chosen or understood, each with a button to take it back. */
import { chipsOf, noFilters } from "../filters.js";
import { html } from "../lib.js";
import { partsOf, wordsWithout } from "../words.js";
import { Icon } from "./icons.js";

/** @param {{text: string, onRemove: () => void, kind?: string}} props */
const Chip = ({ text, onRemove, kind = "" }) => html`
  <li class=${`chip ${kind}`}>
    <span class="chip-text" dir="auto">${text}</span>
    <button type="button" onClick=${onRemove} aria-label=${`Remove ${text}`}><${Icon} name="cross" /></button>
  </li>`;

/**
 * @param {{refinement: import("../request.js").Refinement, parsed: import("../words.js").Parsed | null,
 *   refine: (changes: Partial<import("../request.js").Refinement>) => void}} props
 */
export function Chips({ refinement, parsed, refine }) {
  const { filters, items, words } = refinement;
  const current = parsed && words.trim() ? parsed : null;
  const parts = partsOf(current);
  const chips = chipsOf(filters);
  const any = parts.length + chips.length + items.length > 0;
  const clear = () => refine({ filters: noFilters(), items: [], words: "" });
  return html`
    <div class="chips-box">
      ${any && html`
        <ul class="chips" aria-label="Active filters">
          ${parts.map((part) => html`<${Chip} key=${part.key} kind="is-word" text=${part.text}
            onRemove=${() => current && refine({ words: wordsWithout(current, part.key) })} />`)}
          ${chips.map((chip) => html`<${Chip} key=${chip.key} text=${chip.text}
            onRemove=${() => refine({ filters: chip.without })} />`)}
          ${items.map((item) => html`<${Chip} key=${item.id} kind=${item.weight > 0 ? "is-more" : "is-less"}
            text=${`${item.weight > 0 ? "More" : "Less"} like ${item.title}`}
            onRemove=${() => refine({ items: items.filter((one) => one !== item) })} />`)}
          <li><button type="button" class="link-button" onClick=${clear}>Clear all</button></li>
        </ul>`}
      ${current?.notes.map((note) => html`<p class="note" key=${note}>${note}</p>`)}
    </div>`;
}
