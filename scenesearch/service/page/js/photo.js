/** Photos: out of files, cameras and samples, small enough to be sent. */

/** The longer side of what is sent; finer detail is not used by any of the models. */
const LONGEST_SIDE = 2048;
const QUALITY = 0.9;
/** Files up to this size, of a size and kind that need no change, are sent as they are. */
const SMALL_BYTES = 3_000_000;
const KEPT_TYPES = new Set(["image/jpeg", "image/png", "image/webp"]);

/** @typedef {{blob: Blob, url: string, name: string, width: number, height: number}} Photo */

export class UnreadableError extends Error {}

/**
 * A file as a photo to send. Large ones are made smaller here; turned ones are turned upright, as
 * the browser shows them and as the service reads them.
 * @param {Blob} file @param {string} name @returns {Promise<Photo>}
 */
export async function readPhoto(file, name) {
  if (file.size === 0) throw new UnreadableError("empty");
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch (error) {
    throw new UnreadableError(String(error));
  }
  const { width, height } = bitmap;
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  if (scale === 1 && file.size <= SMALL_BYTES && KEPT_TYPES.has(file.type)) {
    bitmap.close();
    return { blob: file, url: URL.createObjectURL(file), name, width, height };
  }
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  if (!context) throw new UnreadableError("no canvas");
  // what is transparent becomes white, as the service has it; JPEG would make it black
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  if (!blob) throw new UnreadableError("no blob");
  const renamed = `${name.replace(/\.[^.]*$/, "")}.jpg`;
  return { blob, url: URL.createObjectURL(blob), name: renamed, width: canvas.width, height: canvas.height };
}

/** The first picture among what was dropped or pasted. @param {DataTransfer | null} data @returns {File | null} */
export function pictureIn(data) {
  const files = [...(data?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}
