/** The wish list, or one that somebody shared. */
import { baseAddress, item } from "../api.js";
import { copy } from "../clipboard.js";
import { html, useEffect, useState } from "../lib.js";
import { csvOf, linkOf, savedOf } from "../saved.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icons.js";
import { Picture } from "./picture.js";

/** @typedef {import("../saved.js").Saved} Saved */

/** @param {string} text @param {string} name @param {string} type */
function download(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** What somebody shared, by its ids. @param {string[]} ids @returns {Saved[] | null} null until it is there */
function useShared(ids) {
  const [list, setList] = useState(/** @type {Saved[] | null} */ (null));
  useEffect(() => {
    Promise.all(ids.map((id) => item(id).then(({ attributes, photos }) => savedOf(
      { item_id: id, attributes, photo_url: photos[0]?.photo_url ?? null, score: null, rank: 1, parts: {}, evidence: [], variants: [] },
    ), () => null))).then((found) => setList(found.filter((one) => one !== null)));
  }, [ids]);
  return list;
}

/** @param {{one: Saved, children?: any}} props */
const Line = ({ one, children }) => html`
  <li class="saved-line">
    <${Picture} path=${one.photo} alt="" />
    <div><strong dir="auto">${one.url
      ? html`<a href=${one.url} target="_blank" rel="noopener noreferrer nofollow">${one.title}</a>` : one.title}</strong>
      <span>${one.price}</span></div>
    ${children}
  </li>`;

/**
 * @param {{wishes: {saved: Saved[], toggle: (one: Saved) => void}, shared: string[], onClose: () => void,
 *   say: (text: string) => void}} props
 */
export function SavedDialog({ wishes, shared, onClose, say }) {
  const { saved, toggle } = wishes;
  const others = useShared(shared);
  const fresh = (others ?? []).filter((one) => !saved.some((mine) => mine.id === one.id));
  const onShare = async () => {
    const url = linkOf(saved, baseAddress());
    try {
      if (navigator.share) await navigator.share({ title: "Saved products", url });
      else {
        await copy(url);
        say("Link copied");
      }
    } catch {
      say("Not shared");
    }
  };
  return html`
    <${Dialog} title="Saved products" onClose=${onClose} kind="saved">
      ${shared.length > 0 && html`
        <section><h3>Shared with you</h3>
          ${others === null ? html`<p class="note">Fetching the products…</p>`
            : others.length ? html`<ul>${others.map((one) => html`<${Line} key=${one.id} one=${one} />`)}</ul>`
              : html`<p class="note">None of them is in the catalogue any more.</p>`}
          ${fresh.length > 0 && html`<button type="button" class="button is-small" onClick=${() => fresh.forEach(toggle)}>Save all ${fresh.length}</button>`}
        </section>`}
      <section>
        ${shared.length > 0 && html`<h3>Your own</h3>`}
        ${saved.length === 0 && html`<p class="note">Nothing yet. The heart of a product saves it here, in this browser.</p>`}
        <ul>${saved.map((one) => html`
          <${Line} key=${one.id} one=${one}>
            <button type="button" class="icon-button" aria-label=${`Remove ${one.title}`} onClick=${() => toggle(one)}><${Icon} name="cross" /></button>
          <//>`)}</ul>
        ${saved.length > 0 && html`
          <p class="notice-actions">
            <button type="button" class="button is-small" onClick=${onShare}><${Icon} name="share" />Share</button>
            <button type="button" class="button is-small is-quiet" onClick=${() => download(csvOf(saved), "saved.csv", "text/csv")}><${Icon} name="save" />CSV</button>
            <button type="button" class="button is-small is-quiet" onClick=${() => download(JSON.stringify(saved, null, 2), "saved.json", "application/json")}><${Icon} name="save" />JSON</button>
          </p>`}
      </section>
    <//>`;
}
