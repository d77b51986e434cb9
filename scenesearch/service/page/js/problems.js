/**
 * What went wrong, in plain words. Pure.
 *
 * @typedef {{status: number, code: string, detail: string, requestId: string, retryAfter: number | null}} Problem
 * @typedef {{title: string, advice: string, code: string, requestId: string, detail: string,
 *   wantsKey?: boolean, wantsPhoto?: boolean, canRetry: boolean}} Explained
 */

/** @type {Record<string, [title: string, advice: string]>} */
const SAID = {
  offline: ["The service cannot be reached", "Check the connection; this page tries again when you ask it to."],
  empty_image: ["That file is empty", "Choose another photo."],
  unsupported_image: ["That is not a photo we can read", "Use a JPEG, PNG, WebP, HEIC, GIF, BMP, TIFF or AVIF file."],
  unreadable_here: ["This browser cannot open that file", "Use a JPEG, PNG, WebP or HEIC photo."],
  photo_gone: ["That photo is not here any more", "It was not kept in this browser. Give it again."],
  fetch_disabled: ["Addresses are not opened here", "This service fetches no pictures from other places. Save the picture, then choose the file."],
  fetch_failed: ["That picture could not be fetched", "Its address did not answer with a picture. Save it, then choose the file."],
  fetch_timeout: ["That picture could not be fetched", "Its address took too long. Save the picture, then choose the file."],
  too_many_bytes: ["That photo is too large", "Choose a smaller one."],
  too_many_pixels: ["That photo has too many pixels", "Choose a smaller one."],
  body_too_large: ["That photo is too large", "Choose a smaller one."],
  truncated_image: ["That photo is damaged", "Part of the file is missing. Choose another copy of it."],
  unauthorized: ["An API key is needed", "Enter the key of this service, under “API key”."],
  forbidden: ["That is not allowed", "This key, or this page's address, may not do that."],
  query_expired: ["The photo was forgotten", "The service keeps photos for a short time. Give it again."],
  busy: ["The service is busy", "Many people are asking at once. Try again in a moment."],
  deadline_exceeded: ["That took too long", "The service gave up. Try again in a moment."],
  rate_limited: ["Too many questions at once", "Wait a moment, then try again."],
  quota_used: ["This key is used up for today", "Come back tomorrow, or ask whoever runs the service."],
  not_found: ["There is nothing here", "What was asked for is not in the catalogue any more."],
  no_collection: ["There is no catalogue yet", "Index some products first: scenesearch index."],
};

const BY_STATUS = /** @type {Record<number, string>} */ ({
  401: "unauthorized", 403: "forbidden", 404: "not_found", 410: "query_expired", 413: "body_too_large",
  415: "unsupported_image", 429: "rate_limited", 503: "busy",
});
const RETRIED = new Set([0, 408, 425, 429, 500, 502, 503, 504]);
const PHOTO_AT_FAULT = new Set([
  "empty_image", "unsupported_image", "unreadable_here", "too_many_bytes", "too_many_pixels",
  "body_too_large", "truncated_image", "photo_gone", "fetch_disabled", "fetch_failed", "fetch_timeout",
]);

/** @param {Problem} problem @returns {Explained} */
export function explain(problem) {
  const { status, code, detail, requestId } = problem;
  const known = SAID[code] ?? (status >= 400 && detail && status < 500 && status !== 401 ? null : SAID[BY_STATUS[status]]);
  const [title, advice] = known ?? (status >= 500
    ? ["Something went wrong in the service", "It was not your doing. Try again; if it stays, tell whoever runs the service."]
    : ["That could not be done", "Change what you asked, then try again."]);
  return {
    title, advice, code, requestId,
    // what the service says is for people too, but never more than a few lines of it
    detail: known && status >= 500 ? "" : detail.slice(0, 600),
    wantsKey: status === 401,
    wantsPhoto: PHOTO_AT_FAULT.has(code) || status === 410,
    canRetry: RETRIED.has(status),
  };
}

/**
 * A problem out of an answer's parts; what is not problem+json is still told apart by its status.
 * @param {number} status @param {string | null} contentType @param {string} body
 * @param {string | null} requestId @param {string | null} retryAfter @returns {Problem}
 */
export function readProblem(status, contentType, body, requestId, retryAfter) {
  let [code, detail, id] = [BY_STATUS[status] ?? "error", "", requestId ?? ""];
  if (contentType?.includes("json")) {
    try {
      const said = JSON.parse(body);
      if (typeof said.code === "string") code = said.code;
      if (typeof said.detail === "string") detail = said.detail;
      if (typeof said.request_id === "string") id = said.request_id;
      if (Array.isArray(said.errors) && said.errors.length) {
        const [{ loc, msg }] = said.errors;
        detail = `${detail} (${[loc].flat().join(".")}: ${msg})`.trim();
      }
    } catch {
      // a proxy in between may call an error page JSON
    }
  }
  const wait = Number(retryAfter);
  return { status, code, detail, requestId: id, retryAfter: retryAfter && Number.isFinite(wait) ? wait : null };
}
