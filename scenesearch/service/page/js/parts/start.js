/** The first screen: every way to give a photo, or words instead. */
import { html, useRef, useState } from "../lib.js";
import { Camera, hasCamera } from "./camera.js";
import { Icon } from "./icons.js";

const SAMPLES = ["room-1", "room-2", "room-3", "room-4", "room-5", "room-6", "room-7", "room-8"];
const TYPES = "image/jpeg,image/png,image/webp,image/gif,image/avif,image/heic,image/bmp,image/tiff,image/*";

/** @param {string} name */
const sampleAddress = (name) => new URL(`../../samples/${name}.jpg`, import.meta.url).href;

/**
 * @param {{onFile: (file: Blob, name: string) => void, onWords: (words: string) => void, reading: boolean,
 *   items: number, dragging: boolean}} props
 */
export function Start({ onFile, onWords, reading, items, dragging }) {
  const [camera, setCamera] = useState(false);
  const [words, setWords] = useState("");
  const file = useRef(/** @type {HTMLInputElement | null} */ (null));
  const shot = useRef(/** @type {HTMLInputElement | null} */ (null));
  const onChosen = (/** @type {any} */ event) => {
    const [chosen] = event.target.files;
    event.target.value = "";
    if (chosen) onFile(chosen, chosen.name);
  };
  const onSample = async (/** @type {string} */ name) => {
    const answer = await fetch(sampleAddress(name));
    if (answer.ok) onFile(await answer.blob(), `${name}.jpg`);
  };
  // A phone's own camera app takes better photos than a page can; elsewhere the page shows one.
  const coarse = window.matchMedia("(pointer: coarse)").matches;
  const onCamera = () => (hasCamera() && !coarse ? setCamera(true) : shot.current?.click());
  return html`
    <main class="start" id="main">
      <h1>Find what is in a photo</h1>
      <p class="start-lead">Give a photo of a room, an outfit or a shelf. Every object in it is found, and
        matched with ${items ? `${items.toLocaleString()} products` : "the products"} of the catalogue.</p>
      <div class=${`drop ${dragging ? "is-over" : ""}`} aria-busy=${reading ? "true" : "false"}>
        <span class="drop-icon"><${Icon} name="upload" /></span>
        <p class="drop-words">${reading ? "Reading the photo…" : dragging ? "Let go to search" : "Drop or paste a photo here"}</p>
        <div class="drop-actions">
          <button type="button" class="button" onClick=${() => file.current?.click()}><${Icon} name="photo" />Choose a photo</button>
          <button type="button" class="button is-quiet" onClick=${onCamera}><${Icon} name="camera" />Use the camera</button>
        </div>
        <input ref=${file} class="hidden" type="file" accept=${TYPES} tabindex="-1" aria-label="Photo file" onChange=${onChosen} />
        <input ref=${shot} class="hidden" type="file" accept="image/*" capture="environment" tabindex="-1" aria-label="Photo from the camera" onChange=${onChosen} />
      </div>
      <form class="words start-words" role="search" onSubmit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        if (words.trim()) onWords(words.trim());
      }}>
        <label class="hidden" for="start-words">Search in words</label>
        <${Icon} name="search" />
        <input id="start-words" type="search" maxlength="1000" autocomplete="off" value=${words}
          placeholder="Or say it in words: blue armchair under $300"
          onInput=${(/** @type {any} */ event) => setWords(event.target.value)} />
        <button type="submit" class="button is-small">Search</button>
      </form>
      <section class="samples" aria-labelledby="samples-title">
        <h2 id="samples-title">Or try one of these</h2>
        <ul>
          ${SAMPLES.map((name, i) => html`
            <li key=${name}><button type="button" class="sample" onClick=${() => onSample(name)}>
              <img src=${sampleAddress(name)} alt=${`Sample room ${i + 1}`} loading="lazy" width="240" height="160" />
            </button></li>`)}
        </ul>
      </section>
      ${camera && html`<${Camera} onClose=${() => setCamera(false)} onPhoto=${(/** @type {Blob} */ blob) => {
        setCamera(false);
        onFile(blob, "camera.jpg");
      }} />`}
    </main>`;
}
