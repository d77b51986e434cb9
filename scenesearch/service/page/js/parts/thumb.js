/** A part of the photo, small. */
import { html, useEffect, useRef } from "../lib.js";

const SIDE = 112; // twice what is shown, for fine screens
/** @type {Map<string, Promise<HTMLImageElement>>} the last photo only: all thumbs share it */
const loaded = new Map();

/** @param {string} url @returns {Promise<HTMLImageElement>} */
function imageOf(url) {
  let image = loaded.get(url);
  if (!image) {
    loaded.clear();
    const element = new Image();
    element.src = url;
    image = element.decode().then(() => element);
    loaded.set(url, image);
  }
  return image;
}

/** @param {{url: string | null, box: import("../geometry.js").Box}} props url: null where the browser cannot show the photo */
export function Thumb({ url, box }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    if (!url) return undefined;
    let gone = false;
    imageOf(url).then((image) => {
      const context = canvas.current?.getContext("2d");
      if (gone || !context) return;
      const [w, h] = [image.naturalWidth, image.naturalHeight];
      const [width, height] = [(box[2] - box[0]) * w, (box[3] - box[1]) * h];
      // the object is shown whole, with what is around it up to a square
      const side = Math.max(width, height, 8);
      const [x, y] = [(box[0] * w) - (side - width) / 2, (box[1] * h) - (side - height) / 2];
      context.clearRect(0, 0, SIDE, SIDE);
      context.drawImage(image, x, y, side, side, 0, 0, SIDE, SIDE);
    }).catch(() => undefined);
    return () => { gone = true; };
  }, [url, ...box]);
  return html`<canvas class="thumb" width=${SIDE} height=${SIDE} ref=${canvas} aria-hidden="true"></canvas>`;
}
