// What the widget says, by language; the name of a language that is missing here is English.
const TEXTS = {
  en: {
    search: "Search with a photo", choose: "Choose a photo", drop: "or drop one here", looking: "Looking…",
    similar: "Similar products", with: "Goes well with it", add: "Add to basket", close: "Close",
    show: "Show: {0}", product: "product", nothing: "Nothing found", failed: "That did not work. Try again.",
    soldOut: "Sold out", gone: "No longer available", whole: "The whole photo", was: "Before: {0}",
  },
  de: {
    search: "Mit einem Foto suchen", choose: "Foto wählen", drop: "oder hierher ziehen", looking: "Suche läuft …",
    similar: "Ähnliche Produkte", with: "Passt dazu", add: "In den Warenkorb", close: "Schließen",
    show: "Zeigen: {0}", product: "Produkt", nothing: "Nichts gefunden", failed: "Das hat nicht geklappt. Bitte noch einmal.",
    soldOut: "Ausverkauft", gone: "Nicht mehr erhältlich", whole: "Das ganze Foto", was: "Vorher: {0}",
  },
  fr: {
    search: "Chercher avec une photo", choose: "Choisir une photo", drop: "ou la déposer ici", looking: "Recherche…",
    similar: "Produits similaires", with: "Va bien avec", add: "Ajouter au panier", close: "Fermer",
    show: "Afficher : {0}", product: "produit", nothing: "Rien trouvé", failed: "Cela n’a pas marché. Réessayez.",
    soldOut: "Épuisé", gone: "N’est plus disponible", whole: "La photo entière", was: "Avant : {0}",
  },
  es: {
    search: "Buscar con una foto", choose: "Elegir una foto", drop: "o suéltela aquí", looking: "Buscando…",
    similar: "Productos parecidos", with: "Combina con", add: "Añadir a la cesta", close: "Cerrar",
    show: "Mostrar: {0}", product: "producto", nothing: "No se ha encontrado nada", failed: "No ha funcionado. Inténtelo de nuevo.",
    soldOut: "Agotado", gone: "Ya no está disponible", whole: "La foto entera", was: "Antes: {0}",
  },
  ar: {
    search: "البحث بصورة", choose: "اختيار صورة", drop: "أو أفلتها هنا", looking: "جارٍ البحث…",
    similar: "منتجات مشابهة", with: "يتناسق معه", add: "أضف إلى السلة", close: "إغلاق",
    show: "عرض: {0}", product: "منتج", nothing: "لم يُعثر على شيء", failed: "لم ينجح ذلك. حاول مرة أخرى.",
    soldOut: "نفدت الكمية", gone: "لم يعد متوفرًا", whole: "الصورة كاملة", was: "السابق: {0}",
  },
};

function languageOf(element) {
  const near = element.closest("[lang]");
  const asked = element.lang || SETTINGS.lang || (near && near.lang) || navigator.language || "en";
  return { code: asked, base: asked.toLowerCase().split("-")[0] };
}

function textsOf(base) {
  return TEXTS[base] || TEXTS.en;
}

function filled(text, value) {
  return text.replace("{0}", value);
}

function money(value, currency, code) {
  if (typeof value !== "number") return "";
  try {
    return new Intl.NumberFormat(code, currency ? { style: "currency", currency } : {}).format(value);
  } catch {
    return `${value} ${currency || ""}`.trim();
  }
}
