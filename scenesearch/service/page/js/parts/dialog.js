/** A modal dialog: the browser's own, which keeps the focus inside and gives it back. */
import { html, useEffect, useRef } from "../lib.js";
import { Icon } from "./icons.js";

/** @param {{title: string, onClose: () => void, children?: any, kind?: string}} props */
export function Dialog({ title, onClose, children, kind = "" }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const opener = /** @type {HTMLElement | null} */ (document.activeElement);
    dialog.current?.showModal();
    return () => opener?.isConnected && opener.focus();
  }, []);
  const onClick = (/** @type {MouseEvent} */ event) => {
    // the dialog's own box is filled by its content: a click on the dialog itself is outside
    if (event.target === dialog.current) onClose();
  };
  return html`
    <dialog class=${`dialog ${kind}`} ref=${dialog} onClose=${onClose} onClick=${onClick} aria-labelledby="dialog-title">
      <div class="dialog-inside">
        <header class="dialog-head">
          <h2 id="dialog-title">${title}</h2>
          <button type="button" class="icon-button" onClick=${onClose} aria-label="Close"><${Icon} name="cross" /></button>
        </header>
        ${children}
      </div>
    </dialog>`;
}
