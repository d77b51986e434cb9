/** Name, new photo, key, theme. */
import { currentKey, setKey } from "../api.js";
import { html, useState } from "../lib.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icons.js";

const THEME_NAME = "scenesearch-theme";
const systemDark = () => window.matchMedia("(prefers-color-scheme: dark)").matches;

function ThemeButton() {
  const root = document.documentElement;
  const [dark, setDark] = useState(root.dataset.theme ? root.dataset.theme === "dark" : systemDark());
  const onClick = () => {
    const theme = dark ? "light" : "dark";
    root.dataset.theme = theme;
    try {
      localStorage.setItem(THEME_NAME, theme);
    } catch {
      // storage may be forbidden; the choice then lasts as long as the page
    }
    setDark(!dark);
  };
  return html`<button type="button" class="icon-button" onClick=${onClick}
    aria-label=${dark ? "Light theme" : "Dark theme"} title=${dark ? "Light theme" : "Dark theme"}>
    <${Icon} name=${dark ? "sun" : "moon"} /></button>`;
}

/** @param {{onClose: () => void, onSet: () => void}} props */
export function KeyDialog({ onClose, onSet }) {
  const [text, setText] = useState(currentKey());
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    setKey(text);
    onSet();
  };
  return html`
    <${Dialog} title="API key" onClose=${onClose} kind="key">
      <form onSubmit=${onSubmit}>
        <label for="key">Key of this service</label>
        <input id="key" class="field" type="password" autocomplete="off" spellcheck=${false} value=${text}
          onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
        <p class="note">Kept in this tab only, and sent to this service only.</p>
        <p class="notice-actions"><button type="submit" class="button">Use this key</button>
          <button type="button" class="button is-quiet" onClick=${onClose}>Cancel</button></p>
      </form>
    <//>`;
}

/**
 * @param {{onHome: (() => void) | null, onKey: (() => void) | null, onSaved: () => void, saved: number}} props
 */
export const Header = ({ onHome, onKey, onSaved, saved }) => html`
  <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => {
    // the part after # is what the page shows: the link must not change it
    event.preventDefault();
    document.getElementById("main")?.focus();
  }}>Skip to the content</a>
  <header class="top">
    <a class="brand" href="." onClick=${(/** @type {Event} */ event) => {
      if (!onHome) return;
      event.preventDefault();
      onHome();
    }}><span class="brand-mark" aria-hidden="true"></span>scenesearch</a>
    <span class="top-space"></span>
    ${onHome && html`<button type="button" class="pill new-search" aria-label="New search" onClick=${onHome}><${Icon} name="photo" /><span>New search</span></button>`}
    <button type="button" class="icon-button saved-button" onClick=${onSaved} aria-label=${`Saved products, ${saved}`} title="Saved products">
      <${Icon} name="heart" />${saved > 0 && html`<span class="saved-count" aria-hidden="true">${saved}</span>`}</button>
    ${onKey && html`<button type="button" class="icon-button" onClick=${onKey} aria-label="API key" title="API key"><${Icon} name="key" /></button>`}
    <${ThemeButton} />
  </header>`;
