/** The last searches of this browser, each a link that shows it again. */
import { html, useEffect, useState } from "../lib.js";
import { forgetAll, recent } from "../memory.js";
import { isSample, sampleAddress } from "../samples.js";
import { Icon } from "./icons.js";

/** @typedef {import("../memory.js").Remembered & {source: string | null}} Shown */

export function Recent() {
  const [list, setList] = useState(/** @type {Shown[]} */ ([]));
  useEffect(() => {
    /** @type {string[]} */
    const made = [];
    const sourceOf = (/** @type {import("../memory.js").Remembered} */ one) => {
      if (isSample(one.id)) return sampleAddress(one.id);
      if (!one.thumb) return null;
      made.push(URL.createObjectURL(one.thumb));
      return made[made.length - 1];
    };
    recent().then((found) => setList(found.map((one) => ({ ...one, source: sourceOf(one) }))));
    return () => made.forEach((url) => URL.revokeObjectURL(url));
  }, []);
  if (!list.length) return null;
  return html`
    <section class="samples recent" aria-labelledby="recent-title">
      <div class="recent-head"><h2 id="recent-title">Your last searches</h2>
        <button type="button" class="link-button" onClick=${() => forgetAll().then(() => setList([]))}>Forget them</button></div>
      <ul>${list.slice(0, 4).map((one) => html`
        <li key=${one.id}><a class="sample" href=${`#${one.place}`}>
          ${one.source ? html`<img src=${one.source} alt="" width="240" height="160" />`
            : html`<span class="sample-icon"><${Icon} name=${one.id.startsWith("words ") ? "search" : "photo"} /></span>`}
          <span class="sample-name" dir="auto">${one.title}</span>
        </a></li>`)}</ul>
      <p class="note">Kept in this browser alone.</p>
    </section>`;
}
