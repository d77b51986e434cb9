// Elements become what they are as soon as they are there: a page with this script in its head shifts nothing.
for (const [name, part] of [["scenesearch-strip", Strip], ["scenesearch-camera", Camera], ["scenesearch-look", Look]]) {
  // the script may be on a page twice
  if (!customElements.get(name)) customElements.define(name, part);
}

// data-camera="#search": a button inside the end of that field, over it, so that nothing moves.
function beside(selector) {
  const field = document.querySelector(selector);
  if (!field || field.dataset.scenesearch === "on") return;
  field.dataset.scenesearch = "on";
  const camera = document.createElement("scenesearch-camera");
  camera.style.position = "absolute";
  field.after(camera);
  const place = () => {
    const rtl = getComputedStyle(field).direction === "rtl";
    camera.style.left = `${field.offsetLeft + (rtl ? 2 : field.offsetWidth - 46)}px`;
    camera.style.top = `${field.offsetTop + (field.offsetHeight - 44) / 2}px`;
  };
  place();
  new ResizeObserver(place).observe(field);
  addEventListener("resize", place);
}

if (SETTINGS.camera) {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => beside(SETTINGS.camera), { once: true });
  else beside(SETTINGS.camera);
}
