/** The page: its state, and which part shows what. */
import { facets, ProblemError, sendFeedback } from "./api.js";
import { useAsking } from "./asking.js";
import { counted } from "./format.js";
import { html, render, useCallback, useEffect, useReducer, useRef, useState } from "./lib.js";
import { Chips } from "./parts/chips.js";
import { Copy } from "./parts/copy.js";
import { Header, KeyDialog } from "./parts/header.js";
import { Notice, Waiting } from "./parts/notice.js";
import { Objects } from "./parts/objects.js";
import { headingOf, Results, Summary } from "./parts/results.js";
import { Stage } from "./parts/stage.js";
import { Start } from "./parts/start.js";
import { Toolbar, Words } from "./parts/toolbar.js";
import { Why } from "./parts/why.js";
import { pictureIn, readPhoto } from "./photo.js";
import { explain } from "./problems.js";
import { noRefinement, withItem } from "./request.js";
import { matchesShown, reduce, shown, start, wanted } from "./state.js";

const MOST_PER_REGION = 48;

/** @param {(file: Blob, name: string) => void} onFile */
function useDropAndPaste(onFile) {
  const [dragging, setDragging] = useState(false);
  useEffect(() => {
    const hasFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    const onDragOver = (/** @type {DragEvent} */ event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      setDragging(true);
    };
    const onDragLeave = (/** @type {DragEvent} */ event) => event.relatedTarget === null && setDragging(false);
    const take = (/** @type {DataTransfer | null} */ data, /** @type {Event} */ event) => {
      const file = pictureIn(data);
      setDragging(false);
      if (!file) return;
      event.preventDefault();
      onFile(file, file.name || "pasted.png");
    };
    const onDrop = (/** @type {DragEvent} */ event) => hasFile(event) && take(event.dataTransfer, event);
    const onPaste = (/** @type {ClipboardEvent} */ event) => take(event.clipboardData, event);
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
  }, [onFile]);
  return dragging;
}

/** What a screen reader hears when an answer comes. @param {import("./state.js").State} state */
function announcement(state) {
  if (state.waiting) return `The service is busy. Trying again in ${state.waiting.seconds} seconds.`;
  if (state.busy) return state.photo && !state.base ? "Looking for objects in the photo" : "Searching";
  const answer = shown(state);
  if (!answer || state.failed) return "";
  const matches = counted(matchesShown(state).length, "match", "matches");
  if (!state.photo) return matches;
  return `${counted(answer.look.regions.length, "object")}, ${matches}`;
}

function App() {
  const [state, dispatch] = useReducer(reduce, undefined, start);
  const [reading, setReading] = useState(false);
  const [unread, setUnread] = useState(/** @type {import("./problems.js").Explained | null} */ (null));
  const [drawing, setDrawing] = useState(false);
  const [keyOpen, setKeyOpen] = useState(false);
  const [why, setWhy] = useState(/** @type {import("./format.js").Match | null} */ (null));
  const [said, say] = useState("");
  const title = useRef(/** @type {HTMLElement | null} */ (null));
  const { stop, more } = useAsking(state, dispatch);

  const loadCatalogue = useCallback(() => {
    // without it there are no filters to choose from, and everything else still works
    facets().then((catalogue) => dispatch({ type: "catalogue", catalogue })).catch((error) => {
      if (error instanceof ProblemError && error.problem.status === 401) setKeyOpen(true);
    });
  }, []);
  useEffect(loadCatalogue, []);

  const onFile = useCallback(async (/** @type {Blob} */ file, /** @type {string} */ name) => {
    setReading(true);
    setUnread(null);
    try {
      const photo = await readPhoto(file, name);
      setDrawing(false);
      dispatch({ type: "photo", photo });
    } catch {
      const code = file.size === 0 ? "empty_image" : "unreadable_here";
      setUnread(explain({ status: 415, code, detail: "", requestId: "", retryAfter: null }));
    } finally {
      setReading(false);
    }
  }, []);
  const dragging = useDropAndPaste(onFile);

  const url = state.photo?.url;
  useEffect(() => () => { if (url) URL.revokeObjectURL(url); }, [url]);
  // likewise for what was asked in words: there the list's heading is first
  useEffect(() => { if (state.searching && !url) title.current?.focus({ preventScroll: true }); }, [state.searching, url]);
  useEffect(() => {
    const again = () => dispatch({ type: "retry" });
    window.addEventListener("online", again);
    return () => window.removeEventListener("online", again);
  }, []);
  const news = announcement(state);
  useEffect(() => say(news), [news]);

  const refine = useCallback((/** @type {any} */ changes) => dispatch({ type: "refine", changes }), []);
  const select = useCallback((/** @type {any} */ target) => dispatch({ type: "target", target }), []);
  const clear = useCallback(() => refine({ ...noRefinement(), filters: noRefinement().filters }), []);
  const home = () => {
    setDrawing(false);
    setUnread(null);
    dispatch({ type: "home" });
  };
  const onFeedback = (/** @type {any} */ match, /** @type {"click" | "like" | "dislike"} */ kind) => {
    if (kind !== "click") dispatch({ type: "liked", id: match.item_id, kind });
    const look = shown(state)?.look;
    const region = typeof state.target === "number" ? state.target : undefined;
    sendFeedback({ query_id: look?.query_id ?? undefined, item_id: match.item_id, kind, region, rank: match.rank - 1 })
      .then(() => kind !== "click" && say("Thank you, noted"))
      .catch(() => {
        if (kind === "click") return;
        dispatch({ type: "liked", id: match.item_id, kind: undefined });
        say("That could not be noted");
      });
  };
  const actions = {
    onWhy: setWhy, onFeedback, items: state.refinement.items, liked: state.liked,
    onItem: (/** @type {any} */ item) => refine({ items: withItem(state.refinement.items, item) }),
  };

  const answer = shown(state);
  const ask = wanted(state);
  const onMore = () => {
    if (typeof state.target === "number") return refine({ perRegion: MOST_PER_REGION });
    return more();
  };
  const hasMore = typeof state.target === "number"
    ? state.refinement.perRegion < MOST_PER_REGION
      && matchesShown(state).length >= state.refinement.perRegion
    : state.target === "all" && Boolean(answer?.nextOffset);

  const header = html`<${Header} onHome=${state.searching ? home : null} onKey=${() => setKeyOpen(true)} />`;
  const shared = html`
    <div class="hidden" role="status" aria-live="polite">${said}</div>
    ${keyOpen && html`<${KeyDialog} onClose=${() => setKeyOpen(false)} onSet=${() => {
      setKeyOpen(false);
      loadCatalogue();
      dispatch({ type: "retry" });
    }} />`}
    ${dragging && state.searching && html`<div class="drop-veil" aria-hidden="true"><span>Let go to search this photo</span></div>`}`;

  if (!state.searching) {
    return html`${header}
      ${unread && html`<div class="start-notice"><${Notice} problem=${unread} /></div>`}
      <${Start} onFile=${onFile} reading=${reading} items=${state.catalogue.items} dragging=${dragging}
        onWords=${(/** @type {string} */ words) => dispatch({ type: "words", words })} />
      ${shared}`;
  }
  return html`${header}
    <main class=${`work ${state.photo ? "" : "is-wordless"}`} id="main">
      ${state.photo && html`
        <div class="work-photo">
          <${Stage} key=${state.photo.url} photo=${state.photo} look=${state.base?.look ?? null} target=${state.target} box=${state.box}
            busy=${state.busy !== null && (!state.base || (state.target === "area" && !state.area))}
            drawing=${drawing} setDrawing=${setDrawing} select=${select} say=${say}
            setBox=${(/** @type {any} */ box) => dispatch({ type: "box", box })} />
          ${(state.base || state.busy) && html`<${Objects} photo=${state.photo} look=${state.base?.look ?? null}
            target=${state.target} box=${state.box} select=${select} />`}
        </div>`}
      <section class="work-results" aria-labelledby="results-title" aria-busy=${state.busy ? "true" : "false"}>
        <div class="results-head">
          <div><h1 id="results-title" tabindex="-1" ref=${title}>${headingOf(state)}</h1><${Summary} state=${state} /></div>
          ${state.busy && !state.waiting && html`<button type="button" class="pill" onClick=${stop}><span class="spinner" aria-hidden="true"></span><span>Cancel</span></button>`}
          ${answer && ask && !state.busy && html`<${Copy} look=${answer.look} say=${say}
            asked=${{ kind: ask.kind, body: ask.body, photoName: state.photo?.name }} />`}
        </div>
        <${Words} refinement=${state.refinement} refine=${refine}
          hint=${state.photo ? "Refine in words: in blue, under $50" : "blue armchair under $300"} />
        <${Toolbar} refinement=${state.refinement} refine=${refine} catalogue=${state.catalogue}
          facets=${answer?.look.facets ?? {}} withPhoto=${state.photo !== null} />
        <${Chips} refinement=${state.refinement} parsed=${answer?.look.parsed ?? null} refine=${refine} />
        ${unread && html`<${Notice} problem=${unread} />`}
        ${state.waiting && html`<${Waiting} ...${state.waiting} onStop=${stop} />`}
        ${state.failed
          ? html`<${Notice} problem=${state.failed.problem} onHome=${home} onKey=${() => setKeyOpen(true)}
              onRetry=${() => dispatch({ type: "retry" })} />`
          : html`<${Results} state=${state} onClear=${clear} onAll=${() => select("all")}
              onMore=${hasMore ? onMore : null} actions=${actions} />`}
      </section>
    </main>
    ${why && answer && html`<${Why} match=${why} look=${answer.look} photo=${state.photo} onClose=${() => setWhy(null)} />`}
    ${shared}`;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
