/** What few people want: the answer as JSON, the request as a command, the times, the key. */
import { baseAddress, currentKey } from "../api.js";
import { copy } from "../clipboard.js";
import { curlOf } from "../export.js";
import { html, useState } from "../lib.js";
import { Icon } from "./icons.js";
import { Panel } from "./panel.js";
import { timesOf } from "./results.js";

/**
 * @param {{look: import("../format.js").Look | null, asked: import("../export.js").Asked | null,
 *   onKey: () => void, say: (text: string) => void}} props
 */
export function Menu({ look, asked, onKey, say }) {
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
  const times = look && timesOf(look);
  return html`
    <${Panel} name="menu" label="More" icon="dots" align="is-right">
      ${offer("link", "Link to this page", () => location.href)}
      ${look && offer("json", "Answer as JSON", () => JSON.stringify(look, null, 2))}
      ${asked && offer("curl", "Request as curl", () => curlOf(asked, baseAddress(), currentKey() !== ""))}
      <button type="button" class="option is-button" onClick=${onKey}><${Icon} name="key" /><span>API key</span></button>
      ${times && times.steps.length > 0 && html`
        <p class="note"><strong>${times.total}</strong> in the service<br />${times.steps.join(" · ")}</p>`}
    <//>`;
}
