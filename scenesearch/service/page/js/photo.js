/** Photos: out of files, cameras, samples and addresses, small enough to be sent. */

/** The longer side of what is sent: finer detail changes no answer (docs/page.md). */
const LONGEST_SIDE = 1600;
const QUALITY = 0.85;
/** Files up to this size, of a size and kind that need no change, are sent as they are. */
const SMALL_BYTES = 600_000;
const KEPT_TYPES = new Set(["image/jpeg", "image/png", "image/webp"]);
const HEAD_BYTES = 32;

/**
 * A photo: what is sent of it, and what is shown. What the browser cannot show has no `url` until
 * the service has made a picture of it; what lies elsewhere has a `link` instead of a `blob`; a
 * photo of which nothing but the service's id is known has neither.
 * @typedef {{id: string, blob: Blob | null, url: string | null, name: string, width: number, height: number,
 *   link: string | null}} Photo
 */

export class UnreadableError extends Error {
  /** @param {string} code as in problems.js */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

const newId = () => `p${[...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;

/**
 * A file as a photo to send. Large ones are made smaller here; turned ones are turned upright, as
 * the browser shows them and as the service reads them. What this browser cannot show, and the
 * service can read, is sent as it is.
 * @param {Blob} file @param {string} name @param {string} [id] @returns {Promise<Photo>}
 */
export async function readPhoto(file, name, id = newId()) {
  if (file.size === 0) throw new UnreadableError("empty_image");
  const bitmap = await bitmapOf(file);
  if (!bitmap) return { id, blob: file, url: null, name, width: 4, height: 3, link: null };
  const { width, height } = bitmap;
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  if (scale === 1 && file.size <= SMALL_BYTES && KEPT_TYPES.has(file.type)) {
    bitmap.close();
    return { id, blob: file, url: URL.createObjectURL(file), name, width, height, link: null };
  }
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  if (!context) throw new UnreadableError("unreadable_here");
  // what is transparent becomes white, as the service has it; JPEG would make it black
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  if (!blob) throw new UnreadableError("unreadable_here");
  const renamed = `${name.replace(/\.[^.]*$/, "")}.jpg`;
  return { id, blob, url: URL.createObjectURL(blob), name: renamed, width: canvas.width, height: canvas.height, link: null };
}

/** The pixels, or null where only the service can read them. @param {Blob} file */
async function bitmapOf(file) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
    if (isForTheService(head)) return null;
    throw new UnreadableError("unreadable_here");
  }
}

/**
 * Whether a file begins like a photo that the service reads and few browsers show: HEIC, HEIF,
 * AVIF and TIFF. Pure.
 * @param {Uint8Array} head its first bytes
 */
export function isForTheService(head) {
  const text = String.fromCharCode(...head);
  return /^....ftyp(hei[cfms]|hev[cx]|mif1|msf1|avif)/s.test(text) || /^(II\*\0|MM\0\*)/s.test(text);
}

/** A photo that lies elsewhere, or that the service has. @param {{id?: string, link?: string}} what @returns {Photo} */
export const photoElsewhere = ({ id = newId(), link }) =>
  ({ id, blob: null, url: null, name: "photo.jpg", width: 4, height: 3, link: link ?? null });

/** The first picture among what was dropped or pasted. @param {DataTransfer | null} data @returns {File | null} */
export function pictureIn(data) {
  const files = [...(data?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}

/**
 * The address of a picture among what was dropped or pasted: that of an image dragged from
 * another page, or a text that is an address and nothing else.
 * @param {DataTransfer | null} data @returns {string | null}
 */
export function addressIn(data) {
  // parsed, not shown: nothing of it is loaded or run
  const page = new DOMParser().parseFromString(data?.getData("text/html") ?? "", "text/html");
  const source = page.querySelector("img")?.getAttribute("src");
  const list = (data?.getData("text/uri-list") ?? "").split(/\r?\n/).find((line) => line && !line.startsWith("#"));
  return [source, list, data?.getData("text/plain")].map(webAddress).find(Boolean) ?? null;
}

/** A text that is a web address and nothing else. Pure. @param {string | null | undefined} text @returns {string | null} */
export function webAddress(text) {
  const given = (text ?? "").trim();
  if (!/^https?:\/\/\S+$/i.test(given)) return null;
  try {
    return new URL(given).href;
  } catch {
    return null;
  }
}
