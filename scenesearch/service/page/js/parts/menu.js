/** The answer as JSON, or the request as a command, on the clipboard. */
import { baseAddress, currentKey } from "../api.js";
import { curlOf } from "../export.js";
import { html, useState } from "../lib.js";
import { Icon } from "./icons.js";
import { Panel } from "./panel.js";

/** @param {string} text @returns {Promise<void>} */
async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // the clipboard's own interface exists on secure pages only; a page on a local network has none
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser did not copy");
}

/**
 * @param {{look: import("../format.js").Look, asked: import("../export.js").Asked, say: (text: string) => void}} props
 */
export function Copy({ look, asked, say }) {
  const [done, setDone] = useState("");
  const offer = (/** @type {string} */ name, /** @type {string} */ words, /** @type {() => string} */ text) => html`
    <button type="button" class="option is-button" onClick=${async () => {
      try {
        await copy(text());
        setDone(name);
        say(`${words}: copied`);
      } catch {
        setDone("");
        say("The browser did not allow copying");
      }
    }}><${Icon} name=${done === name ? "check" : "copy"} /><span>${done === name ? "Copied" : words}</span></button>`;
  return html`
    <${Panel} name="copy" label="Copy" icon="copy" align="is-right">
      ${offer("json", "Answer as JSON", () => JSON.stringify(look, null, 2))}
      ${offer("curl", "Request as curl", () => curlOf(asked, baseAddress(), currentKey() !== ""))}
    <//>`;
}
