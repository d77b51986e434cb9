/**
 * The last searches, with their photos, in this browser: nothing of it leaves the machine.
 *
 * Every function gives null, or nothing, where the browser keeps no data for pages.
 *
 * @typedef {{id: string, place: string, title: string, at: number, thumb: Blob | null}} Remembered
 * @typedef {{id: string, blob: Blob, name: string, width: number, height: number, seen: boolean}} KeptPhoto
 */
const NAME = "scenesearch";
const [SEARCHES, PHOTOS] = ["searches", "photos"];
const MOST = 8;
const THUMB_PX = 240;

/** @returns {Promise<IDBDatabase>} */
const opened = () => new Promise((resolve, reject) => {
  const asked = indexedDB.open(NAME, 1);
  asked.onupgradeneeded = () => {
    asked.result.createObjectStore(SEARCHES, { keyPath: "id" });
    asked.result.createObjectStore(PHOTOS, { keyPath: "id" });
  };
  asked.onsuccess = () => resolve(asked.result);
  asked.onerror = () => reject(asked.error);
});

/**
 * @template T @param {IDBTransactionMode} mode
 * @param {(searches: IDBObjectStore, photos: IDBObjectStore) => IDBRequest<T> | void} work
 * @returns {Promise<T | null>}
 */
async function within(mode, work) {
  try {
    const db = await opened();
    try {
      const together = db.transaction([SEARCHES, PHOTOS], mode);
      const asked = work(together.objectStore(SEARCHES), together.objectStore(PHOTOS));
      await new Promise((resolve, reject) => {
        together.oncomplete = resolve;
        together.onabort = () => reject(together.error);
      });
      return asked ? asked.result : null;
    } finally {
      db.close();
    }
  } catch {
    return null;
  }
}

/** The last searches, newest first. @returns {Promise<Remembered[]>} */
export async function recent() {
  const all = (await within("readonly", (searches) => searches.getAll())) ?? [];
  return all.sort((a, b) => b.at - a.at);
}

/** @param {string} id @returns {Promise<KeptPhoto | null>} */
export const recall = async (id) =>
  (await within("readonly", (_, photos) => photos.get(id))) ?? null;

/**
 * Keep a search under its photo, or its words; of more than a few the oldest go.
 * @param {Omit<Remembered, "at" | "thumb">} search @param {KeptPhoto | null} photo
 */
export async function remember(search, photo) {
  const known = (await recent()).find((one) => one.id === search.id);
  const thumb = known?.thumb ?? (photo ? await small(photo.blob) : null);
  await within("readwrite", (searches, photos) => {
    searches.put({ ...search, thumb, at: Date.now() });
    if (photo && !known) photos.put(photo);
  });
  const gone = (await recent()).slice(MOST);
  if (!gone.length) return;
  await within("readwrite", (searches, photos) => gone.forEach((one) => {
    searches.delete(one.id);
    photos.delete(one.id);
  }));
}

export const forgetAll = () => within("readwrite", (searches, photos) => {
  searches.clear();
  photos.clear();
});

/** @param {Blob} blob @returns {Promise<Blob | null>} */
async function small(blob) {
  try {
    const bitmap = await createImageBitmap(blob, { resizeWidth: THUMB_PX, resizeQuality: "medium" });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    bitmap.close();
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
  } catch {
    return null; // a kind of photo that the browser cannot show
  }
}
