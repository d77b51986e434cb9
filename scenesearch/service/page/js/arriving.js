/** Photos on their way to the page: by file, drop, paste, sample, address, or out of the past. */
import { useCallback, useEffect, useRef, useState } from "./lib.js";
import { recall } from "./memory.js";
import { addressIn, photoElsewhere, pictureIn, readPhoto, UnreadableError } from "./photo.js";
import { readPlace } from "./place.js";
import { explain } from "./problems.js";
import { isSample, sampleAddress } from "./samples.js";

/** @typedef {import("./photo.js").Photo} Photo */

/**
 * The newest wins: a photo that takes long never replaces one that was given after it.
 * @param {import("./state.js").State} state @param {(action: any) => void} dispatch
 */
export function useArriving(state, dispatch) {
  const [reading, setReading] = useState(false);
  const [unread, setUnread] = useState(/** @type {import("./problems.js").Explained | null} */ (null));
  const newest = useRef(0);
  const now = useRef(state);
  now.current = state;

  const arrive = useCallback(async (/** @type {() => Promise<Photo>} */ open, /** @type {(photo: Photo) => any} */ action) => {
    const ticket = ++newest.current;
    setReading(true);
    setUnread(null);
    try {
      const photo = await open();
      if (ticket === newest.current) dispatch(action(photo));
      else if (photo.url) URL.revokeObjectURL(photo.url);
    } catch (error) {
      if (ticket !== newest.current) return;
      const code = error instanceof UnreadableError ? error.code : "offline";
      const status = code === "offline" ? 0 : 415;
      setUnread(explain({ status, code, detail: "", requestId: "", retryAfter: null }));
    } finally {
      if (ticket === newest.current) setReading(false);
    }
  }, []);

  const given = (/** @type {Photo} */ photo) => ({ type: "photo", photo });
  const onFile = useCallback((/** @type {Blob} */ file, /** @type {string} */ name) =>
    arrive(() => readPhoto(file, name), given), []);
  const onSample = useCallback((/** @type {string} */ name) => arrive(() => sample(name), given), []);
  const onLink = useCallback((/** @type {string} */ link) =>
    arrive(async () => photoElsewhere({ link }), given), []);

  /** Show what an address says. */
  const go = useCallback((/** @type {string} */ text) => {
    const place = readPlace(text);
    const { photo } = now.current;
    const restored = (/** @type {Photo | null} */ found) => ({ type: "restore", place, photo: found });
    if (place?.photo && place.photo !== photo?.id) {
      return arrive(() => past(/** @type {string} */ (place.photo), place.query), restored);
    }
    newest.current += 1;
    setReading(false);
    setUnread(null);
    dispatch(place && (place.photo || !place.saved.length) ? restored(place.photo ? photo : null) : { type: "home" });
    return Promise.resolve();
  }, []);

  const forget = useCallback(() => {
    newest.current += 1;
    setReading(false);
    setUnread(null);
  }, []);
  return { reading, unread, onFile, onSample, onLink, go, forget };
}

/** @param {string} name */
async function sample(name) {
  const answer = await fetch(sampleAddress(name));
  if (!answer.ok) throw new UnreadableError("offline");
  return readPhoto(await answer.blob(), `${name}.jpg`, name);
}

/** A photo that was here before. @param {string} id @param {string | null} query @returns {Promise<Photo>} */
async function past(id, query) {
  if (isSample(id)) return sample(id);
  const kept = await recall(id);
  if (kept) {
    const url = kept.seen ? URL.createObjectURL(kept.blob) : null;
    return { id, blob: kept.blob, url, name: kept.name, width: kept.width, height: kept.height, link: null };
  }
  if (query) return photoElsewhere({ id });
  throw new UnreadableError("photo_gone");
}

/**
 * Takes what is dropped on the page or pasted into it; tells whether something is held over it.
 * @param {(file: Blob, name: string) => void} onFile @param {(link: string) => void} onLink
 */
export function useDropAndPaste(onFile, onLink) {
  const [dragging, setDragging] = useState(false);
  useEffect(() => {
    const isOurs = (/** @type {DragEvent} */ event) =>
      event.dataTransfer?.types.some((type) => type === "Files" || type === "text/uri-list");
    const isField = (/** @type {EventTarget | null} */ target) =>
      target instanceof HTMLElement && target.matches("input, textarea");
    const onDragOver = (/** @type {DragEvent} */ event) => {
      if (!isOurs(event)) return;
      event.preventDefault();
      setDragging(true);
    };
    const onDragLeave = (/** @type {DragEvent} */ event) => event.relatedTarget === null && setDragging(false);
    const take = (/** @type {DataTransfer | null} */ data, /** @type {Event} */ event) => {
      const file = pictureIn(data);
      const link = file ? null : addressIn(data);
      setDragging(false);
      if (!file && !link) return;
      event.preventDefault();
      if (file) onFile(file, file.name || "pasted.png");
      else onLink(/** @type {string} */ (link));
    };
    const onDrop = (/** @type {DragEvent} */ event) => isOurs(event) && take(event.dataTransfer, event);
    const onPaste = (/** @type {ClipboardEvent} */ event) => {
      // an address pasted into a field is meant for the field
      if (isField(event.target) && !event.clipboardData?.files.length) return;
      take(event.clipboardData, event);
    };
    document.addEventListener("dragover", onDragOver);
    document.addEventListener("dragleave", onDragLeave);
    document.addEventListener("drop", onDrop);
    document.addEventListener("paste", onPaste);
    return () => {
      document.removeEventListener("dragover", onDragOver);
      document.removeEventListener("dragleave", onDragLeave);
      document.removeEventListener("drop", onDrop);
      document.removeEventListener("paste", onPaste);
    };
  }, [onFile, onLink]);
  return dragging;
}
