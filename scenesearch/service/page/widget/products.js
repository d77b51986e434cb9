// Products as cards, and what is told of them: events of the element that shows them.
function productOf(id, attributes, photo, more) {
  const { title, price, list_price, currency, url, in_stock } = attributes;
  return { id, title: title || id, price, list_price, currency, url, in_stock, photo: pictureOf(photo), ...more };
}

function matchesOf(list, query) {
  return list.map((match) =>
    productOf(match.item_id, match.attributes, match.photo_url, { rank: match.rank, query }),
  );
}

// An element: its name, its properties, what is in it. Text is text, whatever it says.
function h(name, properties, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

const CAMERA = "M4 8h3l2-3h6l2 3h3v11H4zM12 10a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z";
const CROSS = "M6 6l12 12M18 6L6 18";

function detailOf(product, element) {
  const { id, title, price, currency, url, rank } = product;
  return { item_id: id, title, price, currency, url, rank, source: element.localName };
}

// Whether whoever listens wants the browser to go on.
function tell(element, kind, product) {
  const event = new CustomEvent(`scenesearch:${kind}`, {
    detail: detailOf(product, element), bubbles: true, composed: true, cancelable: true,
  });
  return element.dispatchEvent(event);
}

const VIEWED = new WeakMap();
const WATCH = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      WATCH.unobserve(target);
      const { element, product } = VIEWED.get(target);
      tell(element, "view", product);
    }
  },
  { threshold: 0.5 },
);

function card(element, product, texts, code) {
  const price = money(product.price, product.currency, code);
  const before = product.list_price > product.price ? money(product.list_price, product.currency, code) : "";
  const inside = [
    h("img", { class: "shot", src: product.photo || undefined, alt: "", width: 160, height: 160, loading: "lazy", decoding: "async" }),
    h("span", { class: "title", dir: "auto" }, product.title),
    h("span", { class: "price" }, price, before ? h("s", { "aria-label": filled(texts.was, before) }, before) : null),
    product.in_stock === false ? h("span", { class: "muted" }, texts.soldOut) : null,
    product.gone ? h("span", { class: "muted" }, texts.gone) : null,
  ];
  const click = (event) => {
    told("click", product);
    if (!tell(element, "click", product)) event.preventDefault();
  };
  const linked = product.url && isWeb(product.url);
  const main = linked
    ? h("a", { href: product.url, onclick: click, rel: "noopener" }, ...inside)
    : h("button", { class: "plain", type: "button", onclick: click }, ...inside);
  const add = "add" in SETTINGS && h(
    "button",
    {
      class: "add", type: "button", disabled: product.in_stock === false || product.gone,
      "aria-label": `${texts.add}: ${product.title}`,
      onclick: () => tell(element, "add", product),
    },
    texts.add,
  );
  const made = h("li", { class: "card" }, main, add || null);
  VIEWED.set(made, { element, product });
  WATCH.observe(made);
  return made;
}

function row(element, products, texts, code, label) {
  const cards = products.map((product) => card(element, product, texts, code));
  return h("ul", { class: "row", tabindex: 0, role: "list", "aria-label": label }, ...cards);
}

function ghosts(count) {
  const one = () => h("li", { class: "ghost" }, h("span", { class: "shot" }), h("span", { class: "title" }), h("span", { class: "price" }));
  return h("ul", { class: "row", "aria-hidden": "true" }, ...Array.from({ length: count }, one));
}
