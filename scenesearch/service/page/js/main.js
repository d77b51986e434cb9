/** The page: its state, the first screen, and when the second is fetched. */
import { facets, picture, ProblemError } from "./api.js";
import { useAddress } from "./address.js";
import { useArriving, useDropAndPaste } from "./arriving.js";
import { useAsking } from "./asking.js";
import { html, render, useCallback, useEffect, useReducer, useRef, useState } from "./lib.js";
import { remember } from "./memory.js";
import { Header, KeyDialog } from "./parts/header.js";
import { Notice } from "./parts/notice.js";
import { Start } from "./parts/start.js";
import { placeOf, readPlace } from "./place.js";
import { readSaved, toggledSaved, writeSaved } from "./saved.js";
import { reduce, start, titleOfState } from "./state.js";

/** What is needed once there is something to show, fetched while the service looks. */
const second = () => import("./work.js");

/** The wish list, as state. */
function useSaved() {
  const [saved, setSaved] = useState(readSaved);
  useEffect(() => writeSaved(saved), [saved]);
  useEffect(() => {
    // another tab of this page may have changed it
    const onStorage = () => setSaved(readSaved());
    window.addEventListener("storage", onStorage);
    return () => window.removeEventListener("storage", onStorage);
  }, []);
  const toggle = useCallback((/** @type {import("./saved.js").Saved} */ one) => setSaved((list) => toggledSaved(list, one)), []);
  return { saved, toggle };
}

/** Shows what the browser cannot: the service makes a picture of a photo it was given. @param {import("./state.js").State} state @param {(action: any) => void} dispatch */
function usePicture({ photo, queryId, base }, dispatch) {
  const scene = base?.look.scene;
  const due = photo && !photo.url && queryId && scene ? queryId : null;
  useEffect(() => {
    if (!due || !photo || !scene) return undefined;
    const given = new AbortController();
    const { width, height } = scene;
    picture(`v1/look/${due}/photo?width=1280`, given.signal).then((blob) => {
      // what came from elsewhere is kept as it is now: an address may answer otherwise tomorrow
      const kept = photo.blob ?? blob;
      dispatch({ type: "pictured", photo: { ...photo, blob: kept, width, height, url: URL.createObjectURL(blob) } });
    }).catch(() => undefined); // the objects are there without it
    return () => given.abort();
  }, [due, photo?.id]);
}

function App() {
  const [state, dispatch] = useReducer(reduce, undefined, start);
  const [settled, setSettled] = useState(false);
  const [Work, setWork] = useState(/** @type {any} */ (null));
  const [keyOpen, setKeyOpen] = useState(false);
  const [savedOpen, setSavedOpen] = useState(false);
  const [shared, setShared] = useState(/** @type {string[]} */ ([]));
  const [said, say] = useState("");
  const title = useRef(/** @type {HTMLElement | null} */ (null));
  const { stop, more } = useAsking(state, dispatch);
  const { reading, unread, onFile, onSample, onLink, go, forget } = useArriving(state, dispatch);
  const dragging = useDropAndPaste(onFile, onLink);
  const wishes = useSaved();
  usePicture(state, dispatch);

  const loadCatalogue = useCallback(() =>
    // without it there are no filters to choose from, and everything else still works
    facets().then((catalogue) => dispatch({ type: "catalogue", catalogue })).catch((error) => {
      if (error instanceof ProblemError && error.problem.status === 401) setKeyOpen(true);
    }), []);
  const show = useCallback((/** @type {string} */ asked) => {
    const list = readPlace(asked)?.saved ?? [];
    setShared(list);
    if (list.length) setSavedOpen(true);
    return go(asked);
  }, []);
  useEffect(() => {
    const asked = location.hash.slice(1);
    // what is counted belongs to the question: asked before, it would be asked twice
    loadCatalogue().then(() => (asked ? show(asked) : undefined)).then(() => setSettled(true));
  }, []);
  const place = placeOf(state);
  useAddress(place, settled, titleOfState(state), show);

  useEffect(() => {
    if (state.searching || reading) second().then((found) => setWork(() => found.Work));
  }, [state.searching, reading]);
  useEffect(() => { if (!state.product) window.scrollTo(0, 0); }, [state.searching, state.photo?.id]);
  const url = state.photo?.url;
  useEffect(() => () => { if (url) URL.revokeObjectURL(url); }, [url]);
  useEffect(() => {
    const { photo, refinement } = state;
    if (!state.base || (!photo && !refinement.words)) return;
    const kept = photo?.blob ? { id: photo.id, blob: photo.blob, name: photo.name, width: photo.width, height: photo.height, seen: photo.url !== null } : null;
    remember({ id: photo?.id ?? `words ${refinement.words}`, place, title: titleOfState(state) }, kept);
  }, [place, state.base !== null, url]);
  useEffect(() => {
    const again = () => dispatch({ type: "retry" });
    window.addEventListener("online", again);
    return () => window.removeEventListener("online", again);
  }, []);

  const home = useCallback(() => {
    forget();
    dispatch({ type: "home" });
  }, []);
  const onKey = useCallback(() => setKeyOpen(true), []);
  const onSaved = useCallback(() => setSavedOpen(true), []);
  return html`
    <${Header} onHome=${state.searching ? home : null} onKey=${state.searching ? null : onKey}
      onSaved=${onSaved} saved=${wishes.saved.length} />
    ${unread && html`<div class="start-notice"><${Notice} problem=${unread} /></div>`}
    ${!state.searching && html`
      <${Start} onFile=${onFile} onSample=${onSample} onLink=${onLink} reading=${reading} items=${state.catalogue.items} dragging=${dragging}
        onWords=${(/** @type {string} */ words) => dispatch({ type: "words", words })} />`}
    ${state.searching && Work && html`
      <${Work} state=${state} dispatch=${dispatch} home=${home} stop=${stop} more=${more} wishes=${wishes} onKey=${onKey} say=${say} title=${title} />`}
    ${state.searching && !Work && html`<main class="work" id="main" tabindex="-1" aria-busy="true"></main>`}
    <div class="hidden" role="status" aria-live="polite">${said}</div>
    ${keyOpen && html`<${KeyDialog} onClose=${() => setKeyOpen(false)} onSet=${() => {
      setKeyOpen(false);
      loadCatalogue();
      dispatch({ type: "retry" });
    }} />`}
    ${savedOpen && html`<${SavedLater} wishes=${wishes} shared=${shared} say=${say} onClose=${() => setSavedOpen(false)} />`}
    ${dragging && state.searching && html`<div class="drop-veil" aria-hidden="true"><span>Let go to search this photo</span></div>`}`;
}

/** The wish list's dialog, fetched when it is opened. @param {any} props */
function SavedLater(props) {
  const [Dialog, setDialog] = useState(/** @type {any} */ (null));
  useEffect(() => {
    import("./parts/saved.js").then((found) => setDialog(() => found.SavedDialog));
  }, []);
  return Dialog && html`<${Dialog} ...${props} />`;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
