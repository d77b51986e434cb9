/** The second screen: the photo with its objects, and what was found for them. */
import { sendFeedback } from "./api.js";
import { counted } from "./format.js";
import { html, useCallback, useEffect, useRef, useState } from "./lib.js";
import { Chips, Suggestions } from "./parts/chips.js";
import { Detail } from "./parts/detail.js";
import { Menu } from "./parts/menu.js";
import { Notice, Waiting } from "./parts/notice.js";
import { Objects } from "./parts/objects.js";
import { Results, Summary } from "./parts/results.js";
import { Stage } from "./parts/stage.js";
import { Toolbar, Words } from "./parts/toolbar.js";
import { changesOfObject, noRefinement, ofObject, withItem } from "./request.js";
import { savedOf } from "./saved.js";
import { hasViews, matchesShown, problemOf, shown, titleOfState, wanted } from "./state.js";

const MOST_PER_REGION = 48;

/** What a screen reader hears when an answer comes. @param {import("./state.js").State} state */
function announcement(state) {
  if (state.waiting) return `${state.waiting.title}. Trying again in ${state.waiting.seconds} seconds.`;
  if (state.busy) return state.photo && !state.base ? "Looking for objects in the photo" : "Searching";
  const answer = shown(state);
  if (!answer || problemOf(state)) return "";
  const matches = counted(matchesShown(state).length, "match", "matches");
  if (!state.photo) return matches;
  return `${counted(answer.look.regions.length, "object")}, ${matches}`;
}

/** The photo shrinks under the list that is drawn over it, on a narrow screen. @param {{current: HTMLElement | null}} ref */
function useShrinking(ref) {
  useEffect(() => {
    const onScroll = () => {
      const tall = ref.current?.offsetHeight || 1;
      // by the object model, which the page's policy allows; the style sheet says what it means
      ref.current?.style.setProperty("--gone", String(Math.min(window.scrollY / tall, 1)));
    };
    window.addEventListener("scroll", onScroll, { passive: true });
    return () => window.removeEventListener("scroll", onScroll);
  }, []);
}

/**
 * @param {{state: import("./state.js").State, dispatch: (action: any) => void, home: () => void, stop: () => void,
 *   more: () => void, onKey: () => void, say: (text: string) => void, title: {current: HTMLElement | null},
 *   wishes: {saved: import("./saved.js").Saved[], toggle: (one: import("./saved.js").Saved) => void}}} props
 */
export function Work({ state, dispatch, home, stop, more, onKey, say, title, wishes }) {
  const [drawing, setDrawing] = useState(false);
  const [budgeting, setBudgeting] = useState(false);
  const photoBox = useRef(/** @type {HTMLElement | null} */ (null));
  useShrinking(photoBox);
  // another object, or another photo: what was being drawn is over
  useEffect(() => { if (state.target !== "area") setDrawing(false); }, [state.photo?.id, state.target]);
  useEffect(() => { if (!state.photo) title.current?.focus({ preventScroll: true }); }, [state.photo === null]);
  const news = announcement(state);
  useEffect(() => say(news), [news]);

  const refine = useCallback((/** @type {any} */ changes) => dispatch({ type: "refine", changes }), []);
  const select = useCallback((/** @type {any} */ target) => dispatch({ type: "target", target }), []);
  const onFeedback = (/** @type {any} */ match, /** @type {"click" | "like" | "dislike"} */ given) => {
    const before = state.liked[match.item_id];
    const kind = before === given ? "withdraw" : given;
    if (kind !== "click") dispatch({ type: "liked", id: match.item_id, kind: kind === "withdraw" ? undefined : kind });
    const look = shown(state)?.look;
    const region = typeof state.target === "number" ? state.target : undefined;
    sendFeedback({ query_id: look?.query_id ?? undefined, item_id: match.item_id, kind, region, rank: match.rank - 1 })
      .then(() => kind !== "click" && say(kind === "withdraw" ? "Taken back" : "Thank you, noted"))
      .catch(() => {
        if (kind === "click") return;
        dispatch({ type: "liked", id: match.item_id, kind: before });
        say("That could not be noted");
      });
  };
  const actions = {
    onFeedback, items: state.refinement.items, liked: state.liked,
    onOpen: (/** @type {any} */ match) => dispatch({ type: "product", id: match.item_id }),
    onItem: (/** @type {any} */ item) => refine({ items: withItem(state.refinement.items, item) }),
    saved: wishes.saved,
    onSave: (/** @type {any} */ match) => {
      const has = wishes.saved.some((one) => one.id === match.item_id);
      wishes.toggle(savedOf(match));
      say(has ? "No longer saved" : "Saved");
    },
  };

  const answer = shown(state);
  // what is chosen for one object is its own; the rest is about everything
  const object = typeof state.target === "number" ? state.target + 1 : null;
  const own = object === null ? state.refinement : ofObject(state.refinement, object);
  const refineOwn = object === null ? refine
    : (/** @type {any} */ changes) => refine(changesOfObject(state.refinement, object, changes));
  const ask = wanted(state);
  const problem = problemOf(state);
  const onMore = () => (typeof state.target === "number" ? refine({ perRegion: MOST_PER_REGION }) : more());
  const hasMore = typeof state.target === "number"
    ? state.refinement.perRegion < MOST_PER_REGION && matchesShown(state).length >= state.refinement.perRegion
    : state.target === "all" && Boolean(answer?.nextOffset);
  const { photo } = state;
  return html`
    <main class=${`work ${photo ? "" : "is-wordless"}`} id="main" tabindex="-1">
      ${photo && html`
        <div class="work-side">
          <div class="work-photo" ref=${photoBox}>
            <${Stage} key=${photo.id} photo=${photo} look=${state.base?.look ?? null} target=${state.target} box=${state.box}
              busy=${state.busy !== null && (!state.base || (state.target === "area" && !state.area))}
              sent=${state.sent} drawing=${drawing} setDrawing=${setDrawing} select=${select} say=${say}
              setBox=${(/** @type {any} */ box) => dispatch({ type: "box", box })} />
          </div>
          ${(state.base || state.busy) && html`
            <div class="work-objects"><${Objects} photo=${photo} look=${state.base?.look ?? null}
              target=${state.target} box=${state.box} select=${select} /></div>`}
        </div>`}
      <section class="work-results" aria-labelledby="results-title" aria-busy=${state.busy ? "true" : "false"}>
        <div class="results-head">
          <div><h1 id="results-title" tabindex="-1" ref=${title}><bdi>${titleOfState(state)}</bdi></h1><${Summary} state=${state} /></div>
          ${state.busy && !state.waiting && html`<button type="button" class="pill" onClick=${stop}><span class="spinner" aria-hidden="true"></span><span>Cancel</span></button>`}
          ${state.target === "all" && state.queryId && state.catalogue.fields.price && state.base && html`
            <button type="button" class="pill" onClick=${() => setBudgeting(true)}>Budget</button>`}
          <${Menu} look=${answer?.look ?? null} onKey=${onKey} say=${say}
            asked=${ask && { kind: ask.kind, body: ask.body, photoName: photo?.name }} />
        </div>
        <${Words} refinement=${state.refinement} refine=${refine} object=${object}
          hint=${photo ? "Refine in words: in blue, cheaper, not that brand" : "blue armchair under $300"} />
        <${Toolbar} view=${hasViews(state) ? state.view : null} onView=${(/** @type {any} */ view) => dispatch({ type: "view", view })}
          name=${object === null ? "Filters" : `Filters for ${titleOfState(state)}`}
          refinement=${own} refine=${refineOwn} catalogue=${state.catalogue}
          facets=${answer?.look.facets ?? {}} withPhoto=${photo !== null} />
        <${Chips} refinement=${state.refinement} look=${answer?.look ?? null} object=${object} refine=${refine} />
        ${answer && !problem && (state.view === "list" || !hasViews(state)) && html`
          <${Suggestions} look=${answer.look} object=${object} refinement=${state.refinement} fields=${state.catalogue.fields} refine=${refine} />`}
        ${state.waiting && html`<${Waiting} ...${state.waiting} onStop=${stop} />`}
        ${problem && html`<${Notice} problem=${problem} onHome=${home} onKey=${onKey}
          onUndo=${answer ? () => refine(answer.asked) : null} onRetry=${() => dispatch({ type: "retry" })} />`}
        <${Results} state=${state} select=${select} onClear=${() => refine({ ...noRefinement() })}
          onMore=${hasMore ? onMore : null} actions=${actions} />
      </section>
    </main>
    ${budgeting && html`<${BasketLater} state=${state} wishes=${wishes} say=${say} onClose=${() => setBudgeting(false)}
      onOpen=${(/** @type {string} */ id) => dispatch({ type: "product", id })} />`}
    ${state.product && html`
      <${Detail} id=${state.product} state=${state} actions=${actions} say=${say}
        onOpen=${(/** @type {string} */ id) => dispatch({ type: "product", id })}
        onClose=${() => dispatch({ type: "product", id: null })} />`}`;
}

/** The dialog of the budget, fetched when it is opened. @param {any} props */
function BasketLater(props) {
  const [Found, setFound] = useState(/** @type {any} */ (null));
  useEffect(() => {
    import("./parts/basket.js").then((found) => setFound(() => found.BasketDialog));
  }, []);
  return Found && html`<${Found} ...${props} />`;
}
