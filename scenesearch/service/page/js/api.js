/**
 * Calls of the service. Knows addresses, the key and how to wait; nothing of what is shown.
 *
 * @typedef {import("./problems.js").Problem} Problem
 * @typedef {import("./format.js").Look} Look
 */
import { explain, readProblem } from "./problems.js";

/** The page may be served under a path; everything is asked beside it. */
const BASE = new URL(".", document.baseURI);
const KEY_NAME = "scenesearch-key";
const TRIES = 5;
const LONGEST_WAIT_S = 30;

export class ProblemError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail || problem.code);
    this.problem = problem;
  }
}

let key = readKey();

function readKey() {
  try {
    return sessionStorage.getItem(KEY_NAME) ?? "";
  } catch {
    return "";
  }
}

/** The key, kept for this tab only. */
export const currentKey = () => key;

/** @param {string} text */
export function setKey(text) {
  key = text.trim();
  try {
    if (key) sessionStorage.setItem(KEY_NAME, key);
    else sessionStorage.removeItem(KEY_NAME);
  } catch {
    // storage may be forbidden; the key then lasts as long as the page
  }
}

export const baseAddress = () => BASE.href;

/** An address of the service, on this origin whatever it says. @param {string} path */
export function address(path) {
  const url = new URL(path.replace(/^\/+/, ""), BASE);
  if (url.origin !== BASE.origin) throw new TypeError(`not an address of this service: ${path}`);
  return url;
}

/**
 * A request that the service will take later, and why not now.
 * @typedef {{seconds: number, attempt: number, title: string}} Waiting
 * @typedef {RequestInit & {onSent?: (share: number) => void}} Sending
 * @param {string} path @param {Sending} options
 * @param {(waiting: Waiting | null) => void} [onWait] told before each wait, and null after
 * @returns {Promise<Response>}
 */
async function call(path, options, onWait) {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await once(path, options);
    if (answer.ok) return answer;
    const problem = readProblem(
      answer.status, answer.headers.get("content-type"), await answer.text(),
      answer.headers.get("x-request-id"), answer.headers.get("retry-after"),
    );
    const busy = answer.status === 503 || answer.status === 429;
    // a quota is of a day: nobody waits for the next one
    const mayWait = busy && problem.code !== "quota_used" && problem.retryAfter !== null;
    if (!mayWait || !onWait || attempt >= TRIES) throw new ProblemError(problem);
    const seconds = Math.min(Math.max(problem.retryAfter ?? 1, 1), LONGEST_WAIT_S);
    onWait({ seconds, attempt, title: explain(problem).title });
    await pause(seconds * 1000, options.signal);
    onWait(null);
  }
}

/** @param {string} path @param {Sending} options */
async function once(path, options) {
  const headers = new Headers(options.headers);
  if (key) headers.set("Authorization", `Bearer ${key}`);
  try {
    if (options.onSent) return await sent(address(path), options, headers);
    return await fetch(address(path), { ...options, headers, credentials: "same-origin" });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ProblemError({ status: 0, code: "offline", detail: "", requestId: "", retryAfter: null });
  }
}

/**
 * The same by XMLHttpRequest, which alone says how much of a body has left: on a slow line that
 * is most of the time.
 * @param {URL} url @param {Sending} options @param {Headers} headers @returns {Promise<Response>}
 */
const sent = (url, { method = "POST", body, signal, onSent }, headers) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest();
  request.open(method, url);
  request.responseType = "blob";
  headers.forEach((value, name) => request.setRequestHeader(name, value));
  request.upload.onprogress = (event) => event.lengthComputable && onSent?.(event.loaded / event.total);
  request.upload.onload = () => onSent?.(1);
  request.onload = () => {
    const known = request.getAllResponseHeaders().trim().split(/\r\n/).map((line) => line.split(/: (.*)/s));
    resolve(new Response(request.response, {
      status: request.status, headers: known.filter(([name]) => name).map(([name, value]) => [name, value ?? ""]),
    }));
  };
  request.onerror = () => reject(new TypeError("no answer"));
  request.onabort = () => reject(new DOMException("given up", "AbortError"));
  signal?.addEventListener("abort", () => request.abort(), { once: true });
  request.send(/** @type {FormData} */ (body));
});

/** @param {number} ms @param {AbortSignal | null | undefined} signal @returns {Promise<void>} */
const pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("given up", "AbortError"));
    }, { once: true });
  });

const asJson = (/** @type {any} */ body) =>
  ({ method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

/**
 * A look at a photo: sent when it is new, named by its query id when the service has it, or by
 * its address where it lies elsewhere.
 * @param {{photo: Blob | null, link: string | null, name: string, queryId: string | null, request: object,
 *   signal: AbortSignal, onWait: Parameters<typeof call>[2], onSent: (share: number) => void}} what
 * @returns {Promise<Look>}
 */
export async function look({ photo, link, name, queryId, request, signal, onWait, onSent }) {
  if (queryId || !photo) {
    const which = queryId ? { query_id: queryId } : { photo: { url: link } };
    return (await call("v1/look", { ...asJson({ ...request, ...which }), signal }, onWait)).json();
  }
  const form = new FormData();
  form.append("photo", photo, name);
  form.append("request", JSON.stringify(request));
  return (await call("v1/look", { method: "POST", body: form, signal, onSent }, onWait)).json();
}

/** A search without a photo. @param {{request: object, signal: AbortSignal, onWait: Parameters<typeof call>[2]}} what @returns {Promise<Look>} */
export const search = async ({ request, signal, onWait }) =>
  (await call("v1/search", { ...asJson(request), signal }, onWait)).json();

/**
 * What the catalogue holds: values of its fields, and the fields' types.
 * @returns {Promise<{facets: Record<string, any>, items: number, fields: Record<string, string>}>}
 */
export async function facets() {
  const first = await (await call("v1/facets", {})).json();
  if (first.fields?.price && !first.facets.price) {
    const more = await (await call("v1/facets?field=price", {})).json();
    return { ...first, facets: { ...first.facets, ...more.facets } };
  }
  return first;
}

/** One item as it is stored, with all its photos. @param {string} id @returns {Promise<{id: string, attributes: Record<string, any>, photos: {photo_url: string | null}[]}>} */
export const item = async (id) => (await call(`v1/items/${id.split("/").map(encodeURIComponent).join("/")}`, {})).json();

/** Products like one. @param {string} id @param {number} limit @param {AbortSignal} signal @returns {Promise<Look>} */
export const similar = async (id, limit, signal) =>
  (await call("v1/search", { ...asJson({ items: { [id]: 1 }, limit }), signal })).json();

/** What goes with a product, from other categories: item_id, attributes, photo_url of each. @param {string} id @param {number} limit @param {AbortSignal} signal */
export const goesWith = async (id, limit, signal) =>
  (await call(`v1/complete?${new URLSearchParams({ item: id, limit: String(limit) })}`, { signal })).json();

/** The whole look within a budget. @param {object} request @param {AbortSignal} signal */
export const basket = async (request, signal) => (await call("v1/basket", { ...asJson(request), signal })).json();

/** @param {{query_id?: string | null, item_id: string, kind: string, region?: number, rank?: number}} said */
export async function sendFeedback(said) {
  // read to its end, so that the connection can be used again
  await (await call("v1/feedback", asJson(said))).text();
}

/** A picture of the service as a blob, with the key. @param {string} path @param {AbortSignal} signal */
export const picture = async (path, signal) => (await call(path, { signal })).blob();
