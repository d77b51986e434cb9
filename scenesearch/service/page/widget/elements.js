// The three elements. Each has a shadow root; its styles are a sheet of its own, so that a page whose
// policy allows no inline style can have them.
const SHEET = new CSSStyleSheet();
SHEET.replaceSync(CSS_TEXT);

class Part extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [SHEET];
  }

  connectedCallback() {
    if (this.root) return;
    const { code, base } = languageOf(this);
    this.code = code;
    this.texts = textsOf(base);
    this.root = h("div", { class: "root", lang: TEXTS[base] ? base : "en", dir: base === "ar" ? "rtl" : "ltr" });
    this.shadowRoot.append(this.root);
    this.start();
  }
}

class Strip extends Part {
  static observedAttributes = ["item"];

  start() {
    const label = this.kind === "goes-with" ? this.texts.with : this.texts.similar;
    this.body = h("div", {});
    this.root.append(h("h2", {}, this.getAttribute("heading") || label), this.body);
    this.label = label;
    this.fill();
  }

  get kind() {
    return this.getAttribute("kind") || "similar";
  }

  attributeChangedCallback() {
    if (this.body) this.fill();
  }

  async fill() {
    const item = this.getAttribute("item");
    const turn = (this.turn = {});
    this.body.replaceChildren(ghosts(5));
    let products = [];
    try {
      if (item) products = await this.products(item, Number(this.getAttribute("limit")) || 8);
    } catch (error) {
      this.dispatchEvent(new CustomEvent("scenesearch:error", { detail: { status: error.status }, bubbles: true, composed: true }));
    }
    // the newest item wins
    if (turn !== this.turn) return;
    this.body.replaceChildren(
      products.length
        ? row(this, products, this.texts, this.code, this.label)
        : h("p", { class: "muted" }, this.texts.nothing),
    );
  }

  async products(item, limit) {
    const where = this.getAttribute("where");
    if (this.kind === "goes-with") {
      const query = new URLSearchParams({ item, limit: String(limit) });
      if (where) query.set("where", where);
      const found = await ask(`v1/complete?${query}`);
      return found.groups
        .flatMap((group) => group.suggestions)
        .map((one) => productOf(one.item_id, one.attributes, one.photo_url, {}));
    }
    const found = await ask("v1/search", { items: { [item]: 1 }, limit, ...(where ? { where } : {}) });
    return matchesOf(found.matches, found.query_id);
  }
}

class Camera extends Part {
  start() {
    this.root.append(
      h("button", { class: "icon", type: "button", "aria-label": this.texts.search, title: this.texts.search, onclick: () => this.open() }, icon(CAMERA)),
    );
  }

  open() {
    if (!this.dialog) this.build();
    if (!this.dialog.open) this.dialog.showModal();
  }

  build() {
    const { texts } = this;
    const file = h("input", {
      class: "file", type: "file", accept: "image/*", id: "file",
      onchange: () => file.files[0] && this.search(file.files[0]),
    });
    this.file = file;
    this.results = h("div", { "aria-live": "polite" });
    const drop = h("div", { class: "drop" }, h("div", {}, file, h("label", { class: "choose", for: "file" }, texts.choose)), h("p", { class: "muted" }, texts.drop));
    drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      const [dropped] = event.dataTransfer.files;
      if (dropped) this.search(dropped);
    });
    this.dialog = h(
      "dialog",
      { "aria-labelledby": "title" },
      h("div", { class: "head" }, h("h2", { id: "title" }, texts.search), h("button", { class: "icon", type: "button", "aria-label": texts.close, onclick: () => this.dialog.close() }, icon(CROSS))),
      drop,
      this.results,
    );
    this.root.append(this.dialog);
  }

  async search(photo) {
    const turn = (this.turn = {});
    const { texts } = this;
    this.results.replaceChildren(h("p", { role: "status" }, texts.looking));
    let shown;
    try {
      // what the browser cannot read, the service may
      const sent = await smaller(photo).catch(() => ({ blob: photo, canvas: null }));
      const look = await lookAt(sent.blob);
      shown = [sent.canvas, ...this.lists(look)];
      if (shown.length === 1) shown.push(h("p", {}, texts.nothing));
    } catch (error) {
      shown = [h("p", { role: "alert" }, texts.failed)];
      this.dispatchEvent(new CustomEvent("scenesearch:error", { detail: { status: error.status }, bubbles: true, composed: true }));
    }
    // the newest photo wins
    if (turn !== this.turn) return;
    this.file.value = "";
    this.results.replaceChildren(...shown.filter(Boolean));
  }

  lists(look) {
    return look.regions
      .filter((region) => region.matches.length)
      .flatMap((region) => {
        const name = region.label || this.texts.whole;
        const products = matchesOf(region.matches, look.query_id);
        return [h("h3", { dir: "auto" }, name), row(this, products, this.texts, this.code, name)];
      });
  }
}

class Look extends Part {
  start() {
    this.over = h("div", { class: "over-photo" });
    this.root.append(h("slot", {}), this.over);
    // the data may come after this element begins
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => this.load(), { once: true });
    else this.load();
  }

  async load() {
    try {
      this.show(await this.hotspots());
    } catch (error) {
      this.dispatchEvent(new CustomEvent("scenesearch:error", { detail: { status: error.status }, bubbles: true, composed: true }));
    }
  }

  // What an editor fixed: inside this element, or at an address; else what the service sees in the picture.
  async hotspots() {
    const inside = this.querySelector('script[type="application/json"]');
    if (inside) return JSON.parse(inside.textContent).hotspots;
    const address = this.getAttribute("hotspots");
    if (address) return (await (await fetch(address, { credentials: "omit" })).json()).hotspots;
    const image = this.querySelector("img");
    if (!image.complete) await image.decode();
    const { blob } = await smaller(image);
    const look = await lookAt(blob);
    return look.regions.filter((region) => region.kind === "object" && region.matches.length).map((region) => ({
      x: (region.box[0] + region.box[2]) / 2 / look.scene.width,
      y: (region.box[1] + region.box[3]) / 2 / look.scene.height,
      label: region.label,
      found: matchesOf(region.matches.slice(0, 4), look.query_id),
    }));
  }

  show(spots) {
    const buttons = spots.map((spot) => {
      const name = spot.label || (spot.products && spot.products[0] && spot.products[0].title) || this.texts.product;
      const button = h("button", { class: "spot", type: "button", "aria-expanded": "false", "aria-label": filled(this.texts.show, name), onclick: () => this.toggle(button, spot, name) });
      button.style.left = `${100 * spot.x}%`;
      button.style.top = `${100 * spot.y}%`;
      return button;
    });
    this.over.replaceChildren(...buttons);
  }

  close() {
    if (!this.opened) return;
    this.opened.button.setAttribute("aria-expanded", "false");
    this.opened.sheet.remove();
    this.opened.button.focus();
    this.opened = null;
  }

  async toggle(button, spot, name) {
    const same = this.opened && this.opened.button === button;
    this.close();
    if (same) return;
    const body = h("div", {}, ghosts(2));
    const close = h("button", { class: "icon", type: "button", "aria-label": this.texts.close, onclick: () => this.close() }, icon(CROSS));
    const sheet = h("div", { class: "sheet", role: "group", "aria-label": name }, h("div", { class: "head" }, h("p", { class: "name", dir: "auto" }, name), close), body);
    sheet.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    button.setAttribute("aria-expanded", "true");
    button.after(sheet);
    this.opened = { button, sheet };
    close.focus();
    const products = spot.found || (await Promise.all((spot.products || []).map((one) => this.fresh(one))));
    body.replaceChildren(row(this, products, this.texts, this.code, name));
  }

  // An editor's product with its price and stock as they are now.
  async fresh(known) {
    try {
      const item = await ask(`v1/items/${encodeURIComponent(known.id)}`);
      const photo = item.photos[0] && item.photos[0].photo_url;
      return productOf(known.id, { ...known, ...item.attributes }, photo, {});
    } catch (error) {
      return productOf(known.id, known, "", { gone: error.status === 404 });
    }
  }
}
