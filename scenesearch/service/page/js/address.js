/** Keeps the address and the state alike, in both directions. */
import { useEffect, useRef, useState } from "./lib.js";
import { isSameStep } from "./place.js";

/**
 * @param {string} place of what is shown, see place.js @param {boolean} settled what was asked for at first is shown
 * @param {string} title of what is shown @param {(place: string) => Promise<any>} go show what an address says
 */
export function useAddress(place, settled, title, go) {
  const latest = useRef(go);
  latest.current = go;
  // while an address is followed the state lags behind it, and is no step of anybody's
  const following = useRef(0);
  const followed = useRef(true);
  const [steps, setSteps] = useState(0);
  useEffect(() => {
    const now = location.hash.slice(1);
    if (!settled || following.current) return;
    const isNoStep = followed.current || isSameStep(place, now);
    followed.current = false;
    if (place === now) return;
    const to = place ? `#${place}` : location.pathname + location.search;
    history[isNoStep ? "replaceState" : "pushState"](null, "", to);
  }, [place, settled, steps]);
  useEffect(() => {
    document.title = title ? `${title} – scenesearch` : "scenesearch";
  }, [title]);
  useEffect(() => {
    history.scrollRestoration = "manual";
    const onStep = async () => {
      following.current += 1;
      await latest.current(location.hash.slice(1));
      following.current -= 1;
      followed.current = true;
      setSteps((count) => count + 1);
    };
    window.addEventListener("popstate", onStep);
    return () => window.removeEventListener("popstate", onStep);
  }, []);
}
