/** The whole look within a budget: one product an object, swapped one by one. */
import { basket as ask, ProblemError } from "../api.js";
import { isWeak, moneyText, priceOf, regionName, safeLink, titleOf } from "../format.js";
import { readPrice } from "../filters.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { explain } from "../problems.js";
import { lookRequest } from "../request.js";
import { savedOf } from "../saved.js";
import { Dialog } from "./dialog.js";
import { Notice } from "./notice.js";
import { Picture } from "./picture.js";

const NAMES = /** @type {Record<string, string>} */ ({ closest: "Closest", cheaper: "Cheaper", "another style": "Another style" });
const WHY = /** @type {Record<string, string>} */ ({
  "no match": "nothing like it here", "no price": "nothing with a price", "over budget": "over the budget", "left out": "nothing chosen",
});

/** Numbers of the objects that have nothing of their kind in the catalogue, where others have. @param {import("../format.js").Look} look */
function kindless({ regions }) {
  const weak = regions.filter((region) => region.matches.length > 0 && region.matches.every(isWeak));
  return weak.length < regions.length ? weak.map((region) => region.number) : [];
}

/** What is chosen for each object, to be kept when one is swapped. @param {any} chosen @returns {Record<string, string>} */
const kept = (chosen) => Object.fromEntries(chosen.choices.map((/** @type {any} */ one) => [one.number, one.item_id]));

/**
 * @param {{state: import("../state.js").State, wishes: {saved: import("../saved.js").Saved[], toggle: (one: import("../saved.js").Saved) => void},
 *   onOpen: (id: string) => void, onClose: () => void, say: (text: string) => void}} props
 */
export function BasketDialog({ state, wishes, onOpen, onClose, say }) {
  const [text, setText] = useState("");
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [which, setWhich] = useState(0);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {import("../problems.js").Explained | null} */ (null));
  const running = useRef(/** @type {AbortController | null} */ (null));
  useEffect(() => () => running.current?.abort(), []);

  const load = async (/** @type {number} */ budget, /** @type {object} */ more) => {
    running.current?.abort();
    const abort = running.current = new AbortController();
    setBusy(true);
    setProblem(null);
    const { limit, per_region: _, facets, suggest, ...look } = lookRequest(state.refinement, state.catalogue.fields, null);
    try {
      const answer = await ask({ ...look, query_id: state.queryId, budget, same_category: true, ...more }, abort.signal);
      if (running.current !== abort) return;
      setFound(answer);
      setWhich(0);
      say(answer.baskets.length ? `${answer.baskets[0].choices.length} products for ${moneyText(answer.baskets[0].total, answer.currency)}` : "Nothing within the budget");
    } catch (error) {
      if (!abort.signal.aborted) setProblem(explain(error instanceof ProblemError ? error.problem : { status: 0, code: "offline", detail: "", requestId: "", retryAfter: null }));
    } finally {
      if (running.current === abort) setBusy(false);
    }
  };
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const budget = readPrice(text);
    // for what has nothing of its kind here nothing is bought, unless it is asked for
    if (budget) load(budget, { leave_out: state.base ? kindless(state.base.look) : [] });
  };
  const chosen = found?.baskets[which] ?? null;
  const swap = (/** @type {number} */ number, /** @type {string} */ id) => {
    const keep = kept(chosen);
    delete keep[number];
    const out = chosen.missing.filter((/** @type {any} */ one) => one.why === "left out").map((/** @type {any} */ one) => one.number);
    load(found.budget, { keep: id ? { ...keep, [number]: id } : keep, leave_out: id ? out : [...out, number] });
  };
  const matchOf = (/** @type {any} */ choice) => found.regions[choice.number - 1].matches[choice.rank - 1];
  const name = (/** @type {any} */ one) => `${one.number}. ${regionName(found.regions[one.number - 1])}`;
  const line = (/** @type {any} */ choice) => {
    const match = matchOf(choice);
    const link = safeLink(match.attributes.url);
    return html`
      <li class="saved-line" key=${choice.number}>
        <${Picture} path=${match.photo_url} alt="" />
        <div>
          <span><bdi>${name(choice)}</bdi></span>
          <strong dir="auto">${link ? html`<a href=${link} target="_blank" rel="noopener noreferrer nofollow">${titleOf(match)}</a>`
            : html`<button type="button" class="link-button" onClick=${() => onOpen(choice.item_id)}>${titleOf(match)}</button>`}</strong>
          <span>${priceOf(match)}</span>
        </div>
        <label class="pill swap"><span class="hidden">Instead, for ${name(choice)}</span>
          <select onChange=${(/** @type {any} */ event) => { if (event.target.value !== choice.item_id) swap(choice.number, event.target.value); }}>
            <option value=${choice.item_id} selected>Swap</option>
            ${choice.others.map((/** @type {any} */ other) => html`
              <option key=${other.item_id} value=${other.item_id}>${titleOf(found.regions[choice.number - 1].matches[other.rank - 1])}, ${moneyText(other.price, found.currency)}</option>`)}
            <option value="">Nothing for it</option>
          </select>
        </label>
      </li>`;
  };
  const saveAll = () => {
    const fresh = chosen.choices.map(matchOf).map(savedOf).filter((/** @type {any} */ one) => !wishes.saved.some((mine) => mine.id === one.id));
    fresh.forEach(wishes.toggle);
    say(fresh.length ? `${fresh.length} saved` : "Saved already");
  };
  return html`
    <${Dialog} title="The look within a budget" onClose=${onClose} kind="saved">
      <form class="price budget" onSubmit=${onSubmit}>
        <label class="price-entry" for="budget"><span>Together at most</span>
          <input id="budget" class="field" type="text" inputmode="decimal" autocomplete="off" placeholder="800" value=${text}
            onInput=${(/** @type {any} */ event) => setText(event.target.value)} /></label>
        <button type="submit" class="button is-small" disabled=${busy}>Choose products</button>
      </form>
      ${problem && html`<${Notice} problem=${problem} />`}
      ${found && !found.baskets.length && html`<p class="note">Nothing of the look can be had for that.</p>`}
      ${found && found.baskets.length > 1 && html`
        <div class="toolbar" role="group" aria-label="Baskets">
          ${found.baskets.map((/** @type {any} */ one, /** @type {number} */ index) => html`
            <button type="button" key=${one.name} class=${`pill ${index === which ? "is-on" : ""}`} aria-pressed=${index === which ? "true" : "false"}
              onClick=${() => setWhich(index)}>${NAMES[one.name] ?? one.name} · ${moneyText(one.total, found.currency)}</button>`)}
        </div>`}
      ${chosen && html`
        <p class="basket-total"><strong>${moneyText(chosen.total, found.currency)}</strong> of ${moneyText(found.budget, found.currency)}</p>
        <ul class=${busy ? "is-stale" : ""} aria-busy=${busy ? "true" : "false"}>${chosen.choices.map(line)}</ul>
        ${chosen.missing.map((/** @type {any} */ one) => html`
          <p class="note" key=${one.number}><bdi>${name(one)}</bdi>: ${WHY[one.why] ?? one.why}${one.why === "left out" && html` <button type="button" class="link-button"
            onClick=${() => load(found.budget, { keep: kept(chosen), leave_out: chosen.missing.filter((/** @type {any} */ other) => other.why === "left out" && other !== one).map((/** @type {any} */ other) => other.number) })}>Choose for it</button>`}</p>`)}
        <p class="notice-actions"><button type="button" class="button is-small" onClick=${saveAll}>Save all ${chosen.choices.length}</button></p>`}
    <//>`;
}
