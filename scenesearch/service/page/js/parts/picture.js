/** A catalogue photo. With a key it is fetched with it; without one the browser loads it itself. */
import { address, currentKey, picture } from "../api.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { Icon } from "./icons.js";

/** @param {string | null} path a path of the service; anything else shows no picture */
function sourceOf(path) {
  if (!path) return null;
  try {
    return address(path).href;
  } catch {
    return null;
  }
}

/** @param {{path: string | null, alt: string}} props */
export function Picture({ path, alt }) {
  const source = sourceOf(path);
  const withKey = currentKey() !== "";
  const [blob, setBlob] = useState(/** @type {string | null} */ (null));
  // by address: a card is used again for another product, and its old picture says nothing
  const [loaded, setLoaded] = useState(/** @type {string | null} */ (null));
  const [failed, setFailed] = useState(/** @type {string | null} */ (null));
  const frame = useRef(/** @type {HTMLElement | null} */ (null));

  useEffect(() => {
    if (!source || !withKey) return undefined;
    const given = new AbortController();
    let url = "";
    const load = async () => {
      try {
        const data = await picture(source.slice(address("").href.length), given.signal);
        url = URL.createObjectURL(data);
        setBlob(url);
      } catch {
        if (!given.signal.aborted) setFailed(source);
      }
    };
    // only what comes near the screen is fetched, as loading="lazy" does for the others
    const watcher = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        watcher.disconnect();
        load();
      }
    }, { rootMargin: "300px" });
    if (frame.current) watcher.observe(frame.current);
    return () => {
      watcher.disconnect();
      given.abort();
      if (url) URL.revokeObjectURL(url);
      setBlob(null);
    };
  }, [source, withKey]);

  const shown = withKey ? blob : source;
  const missing = !source || failed === source || (shown !== null && failed === shown);
  const ready = shown !== null && loaded === shown;
  return html`
    <span class=${`picture ${missing ? "is-missing" : ready ? "is-loaded" : "is-loading"}`} ref=${frame}>
      ${missing
        ? html`<${Icon} name="photo" />`
        : shown && html`<img src=${shown} alt=${alt} loading="lazy" decoding="async"
            onLoad=${() => setLoaded(shown)} onError=${() => setFailed(shown)} />`}
    </span>`;
}
