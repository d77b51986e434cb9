/** A photo from the camera of this machine. */
import { html, useEffect, useRef, useState } from "../lib.js";
import { Dialog } from "./dialog.js";

/** @param {{onPhoto: (blob: Blob) => void, onClose: () => void}} props */
export function Camera({ onPhoto, onClose }) {
  const video = useRef(/** @type {HTMLVideoElement | null} */ (null));
  const [state, setState] = useState("starting");
  useEffect(() => {
    let gone = false;
    /** @type {MediaStream | null} */
    let stream = null;
    const stopAll = () => stream?.getTracks().forEach((track) => track.stop());
    navigator.mediaDevices
      .getUserMedia({ video: { facingMode: { ideal: "environment" }, width: { ideal: 1920 } }, audio: false })
      .then(async (given) => {
        stream = given;
        if (gone || !video.current) return stopAll();
        video.current.srcObject = given;
        await video.current.play();
        return setState("ready");
      })
      .catch(() => !gone && setState("refused"));
    return () => {
      gone = true;
      stopAll();
    };
  }, []);
  const take = () => {
    const seen = video.current;
    if (!seen) return;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [seen.videoWidth, seen.videoHeight];
    canvas.getContext("2d")?.drawImage(seen, 0, 0);
    canvas.toBlob((blob) => blob && onPhoto(blob), "image/jpeg", 0.92);
  };
  return html`
    <${Dialog} title="Take a photo" onClose=${onClose} kind="camera">
      <video class="camera-video" ref=${video} playsinline muted aria-label="What the camera sees"></video>
      ${state === "refused" && html`<p class="note" role="alert">The camera cannot be used. Allow it in the browser, or choose a file instead.</p>`}
      <p class="notice-actions">
        <button type="button" class="button" disabled=${state !== "ready"} onClick=${take}>Take the photo</button>
        <button type="button" class="button is-quiet" onClick=${onClose}>Cancel</button>
      </p>
    <//>`;
}
