/** Asks the service whenever the state wants something it does not have. */
import { look, ProblemError, search } from "./api.js";
import { useCallback, useEffect, useRef } from "./lib.js";
import { explain } from "./problems.js";
import { PAGE } from "./request.js";
import { isDue, wanted } from "./state.js";

/** @typedef {import("./state.js").State} State */

/** Quick changes in a row (several boxes ticked) are asked once. */
const SETTLE_MS = 160;

/**
 * @param {State} state @param {(action: any) => void} dispatch
 * @returns {{stop: () => void, more: () => void}}
 */
export function useAsking(state, dispatch) {
  const running = useRef(/** @type {{key: string, abort: AbortController} | null} */ (null));

  const run = useCallback(async (/** @type {any} */ ask, /** @type {State} */ from, /** @type {object} */ extra, /** @type {string} */ type) => {
    running.current?.abort.abort();
    const abort = new AbortController();
    running.current = { key: ask.key, abort };
    dispatch({ type: "busy", key: ask.key });
    const request = { ...ask.body, ...extra };
    const onWait = (/** @type {any} */ waiting) => dispatch({ type: "waiting", waiting });
    const send = (/** @type {string | null} */ queryId) => (ask.kind === "search"
      ? search({ request, signal: abort.signal, onWait })
      : look({
        photo: from.photo?.blob ?? null, link: from.photo?.link ?? null, name: from.photo?.name ?? "", queryId, request,
        signal: abort.signal, onWait, onSent: (/** @type {number} */ share) => running.current?.abort === abort && dispatch({ type: "sent", share }),
      }));
    try {
      let answer;
      try {
        answer = await send(from.queryId);
      } catch (error) {
        // the service forgets photos after a while; we still have it, so nobody needs to know
        const forgotten = error instanceof ProblemError && error.problem.status === 410;
        if (!forgotten || !(from.photo?.blob || from.photo?.link)) throw error;
        answer = await send(null);
      }
      if (running.current?.abort === abort) dispatch({ type, key: ask.key, slot: ask.slot, look: answer });
    } catch (error) {
      if (abort.signal.aborted) return;
      const problem = error instanceof ProblemError ? error.problem
        : { status: 0, code: "unreadable_answer", detail: String(error), requestId: "", retryAfter: null };
      dispatch({ type: "failed", key: ask.key, problem: explain(problem) });
    }
  }, []);

  const due = isDue(state);
  const dueKey = due?.key ?? null;
  useEffect(() => {
    if (!due || running.current?.key === due.key && state.busy === due.key) return undefined;
    const first = state[due.slot] === null;
    const timer = setTimeout(() => run(due, state, {}, "answered"), first ? 0 : SETTLE_MS);
    return () => clearTimeout(timer);
  }, [dueKey, state.photo]);

  // a new photo, or none: what still runs is for nobody
  useEffect(() => () => running.current?.abort.abort(), [state.photo]);

  const stop = useCallback(() => {
    const key = running.current?.key ?? "";
    running.current?.abort.abort();
    running.current = null;
    dispatch({
      type: "stopped",
      failed: { key, problem: { title: "Stopped", advice: "You stopped this search.", code: "stopped", requestId: "", detail: "", canRetry: true } },
    });
  }, []);

  const more = useCallback(() => {
    const ask = wanted(state);
    const answer = ask && state[ask.slot];
    if (ask && answer?.nextOffset) run(ask, state, { offset: answer.nextOffset, limit: PAGE }, "more");
  }, [state]);

  return { stop, more };
}
