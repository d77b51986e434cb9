/** A button that opens a small panel beneath it; Escape or a click elsewhere closes it. */
import { html, useLayoutEffect, useRef, useState } from "../lib.js";
import { Icon } from "./icons.js";

/** @param {{name: string, label: string, count?: number, icon?: string, children?: any, align?: string}} props */
export function Panel({ name, label, count = 0, icon, children, align = "" }) {
  const [open, setOpen] = useState(false);
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));

  const close = () => {
    setOpen(false);
    button.current?.focus();
  };

  // Before the next key can come: Escape right after Enter closes what Enter opened.
  useLayoutEffect(() => {
    if (!open) return undefined;
    const outside = (/** @type {Event} */ event) => {
      if (!root.current?.contains(/** @type {Node} */ (event.target))) setOpen(false);
    };
    const escape = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape") close();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    document.addEventListener("keydown", escape);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
      document.removeEventListener("keydown", escape);
    };
  }, [open]);

  return html`
    <div class=${`panel-root ${align}`} ref=${root}>
      <button type="button" class=${`pill ${count ? "is-on" : ""}`} ref=${button}
        aria-expanded=${open ? "true" : "false"} aria-controls=${`panel-${name}`}
        onClick=${() => setOpen(!open)}>
        ${icon && html`<${Icon} name=${icon} />`}
        <span>${label}</span>
        ${count > 0 && html`<span class="pill-count" aria-label=${`${count} chosen`}>${count}</span>`}
        <${Icon} name="down" />
      </button>
      <div class="panel" id=${`panel-${name}`} role="group" aria-label=${label} hidden=${!open}>
        ${open && html`
          ${children}
          <button type="button" class="button is-small panel-done" onClick=${close}>Done</button>`}
      </div>
    </div>`;
}
