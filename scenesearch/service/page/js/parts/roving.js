/** A row of buttons that is one stop of the Tab key; arrow keys go from one to the next. */
import { html, useRef, useState } from "../lib.js";

/** @param {{label: string, children?: any, kind: string}} props */
export function Row({ label, children, kind }) {
  const row = useRef(/** @type {HTMLElement | null} */ (null));
  const [at, setAt] = useState(0);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const buttons = [.../** @type {HTMLElement} */ (row.current).querySelectorAll("button")];
    // in a page that is written from right to left, the right arrow goes back
    const ahead = getComputedStyle(/** @type {HTMLElement} */ (row.current)).direction === "rtl" ? -1 : 1;
    const to = {
      ArrowRight: at + ahead, ArrowLeft: at - ahead, Home: 0, End: buttons.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + buttons.length) % buttons.length;
    setAt(next);
    buttons[next].focus();
  };
  const buttons = children.map((/** @type {any} */ button, /** @type {number} */ i) => {
    button.props.tabindex = i === at ? "0" : "-1";
    button.props.onFocus = () => setAt(i);
    return button;
  });
  return html`<div class=${kind} role="toolbar" aria-label=${label} ref=${row} onKeyDown=${onKeyDown}>${buttons}</div>`;
}
