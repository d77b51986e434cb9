/** What went wrong, and what can be done about it. */
import { html } from "../lib.js";
import { Icon } from "./icons.js";

/**
 * @param {{problem: import("../problems.js").Explained, onRetry?: () => void, onKey?: () => void, onHome?: () => void,
 *   onUndo?: (() => void) | null}} props onUndo: where what was there before is still shown
 */
export const Notice = ({ problem, onRetry, onKey, onHome, onUndo }) => html`
  <div class="notice" role="alert">
    <${Icon} name="warn" />
    <div>
      <h2>${problem.title}</h2>
      <p>${problem.advice}</p>
      ${problem.detail && html`<p class="notice-detail">${problem.detail}</p>`}
      ${onUndo && html`<p>What you see is what was found before.</p>`}
      <p class="notice-actions">
        ${problem.wantsKey && onKey && html`<button type="button" class="button" onClick=${onKey}>Enter the API key</button>`}
        ${problem.canRetry && onRetry && html`<button type="button" class="button" onClick=${onRetry}>Try again</button>`}
        ${onUndo && html`<button type="button" class="button is-quiet" onClick=${onUndo}>Undo the change</button>`}
        ${onHome && html`<button type="button" class=${problem.wantsPhoto ? "button" : "button is-quiet"} onClick=${onHome}>Another photo</button>`}
      </p>
      ${problem.requestId && html`<p class="notice-id">Request <code>${problem.requestId}</code></p>`}
    </div>
  </div>`;

/** @param {import("../api.js").Waiting & {onStop: () => void}} props */
export const Waiting = ({ seconds, attempt, title, onStop }) => html`
  <div class="notice is-calm">
    <span class="spinner" aria-hidden="true"></span>
    <div>
      <h2>${title}</h2>
      <p>Trying again in ${seconds} s (attempt ${attempt + 1}).</p>
      <p class="notice-actions"><button type="button" class="button is-quiet" onClick=${onStop}>Stop</button></p>
    </div>
  </div>`;
