/** The first screen: every way to give a photo, or words instead. */
import { html, useRef, useState } from "../lib.js";
import { webAddress } from "../photo.js";
import { SAMPLES, sampleAddress } from "../samples.js";
import { Icon } from "./icons.js";
import { Recent } from "./recent.js";

const TYPES = "image/jpeg,image/png,image/webp,image/gif,image/avif,image/heic,image/heif,image/bmp,image/tiff,image/*,.heic,.heif";

/**
 * @param {{onFile: (file: Blob, name: string) => void, onSample: (name: string) => void,
 *   onLink: (link: string) => void, onWords: (words: string) => void, reading: boolean,
 *   items: number, dragging: boolean}} props
 */
export function Start({ onFile, onSample, onLink, onWords, reading, items, dragging }) {
  const [Camera, setCamera] = useState(/** @type {any} */ (null));
  const [words, setWords] = useState("");
  const file = useRef(/** @type {HTMLInputElement | null} */ (null));
  const shot = useRef(/** @type {HTMLInputElement | null} */ (null));
  const onChosen = (/** @type {any} */ event) => {
    const [chosen] = event.target.files;
    event.target.value = "";
    if (chosen) onFile(chosen, chosen.name);
  };
  // A phone's own camera app takes better photos than a page can; elsewhere the page shows one.
  const coarse = window.matchMedia("(pointer: coarse)").matches;
  const onCamera = async () => {
    if (coarse || !navigator.mediaDevices?.getUserMedia) shot.current?.click();
    else {
      const found = await import("./camera.js");
      setCamera(() => found.Camera);
    }
  };
  return html`
    <main class="start" id="main" tabindex="-1">
      <h1>Find what is in a photo</h1>
      <p class="start-lead">Give a photo of a room, an outfit or a shelf. Every object in it is found, and
        matched with the products of the catalogue.</p>
      <p class="start-count">${items ? `${items.toLocaleString()} products` : "\u00a0"}</p>
      <div class=${`drop ${dragging ? "is-over" : ""}`} aria-busy=${reading ? "true" : "false"}>
        <span class="drop-icon"><${Icon} name="upload" /></span>
        <p class="drop-words">${reading ? "Reading the photo…" : dragging ? "Let go to search" : coarse ? "Give a photo" : "Drop or paste a photo, or its address"}</p>
        <div class="drop-actions">
          <button type="button" class="button" onClick=${() => file.current?.click()}><${Icon} name="photo" />Choose a photo</button>
          <button type="button" class="button is-quiet" onClick=${onCamera}><${Icon} name="camera" />Use the camera</button>
        </div>
        <input ref=${file} class="hidden" type="file" accept=${TYPES} tabindex="-1" aria-label="Photo file" onChange=${onChosen} />
        <input ref=${shot} class="hidden" type="file" accept="image/*" capture="environment" tabindex="-1" aria-label="Photo from the camera" onChange=${onChosen} />
      </div>
      <form class="words start-words" role="search" onSubmit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        const link = webAddress(words);
        if (link) onLink(link);
        else if (words.trim()) onWords(words.trim());
      }}>
        <label class="hidden" for="start-words">Search in words</label>
        <${Icon} name="search" />
        <input id="start-words" type="search" dir="auto" maxlength="1000" autocomplete="off" value=${words}
          placeholder="Or say it in words: blue armchair under $300"
          onInput=${(/** @type {any} */ event) => setWords(event.target.value)} />
        <button type="submit" class="button is-small">Search</button>
      </form>
      <${Recent} />
      <section class="samples" aria-labelledby="samples-title">
        <h2 id="samples-title">Or try one of these</h2>
        <ul>
          ${SAMPLES.map(([name, title]) => html`
            <li key=${name}><button type="button" class="sample" onClick=${() => onSample(name)}>
              <img src=${sampleAddress(name)} alt=${title} loading="lazy" width="240" height="160" />
            </button></li>`)}
        </ul>
      </section>
      ${Camera && html`<${Camera} onClose=${() => setCamera(null)} onPhoto=${(/** @type {Blob} */ blob) => {
        setCamera(null);
        onFile(blob, "camera.jpg");
      }} />`}
    </main>`;
}
