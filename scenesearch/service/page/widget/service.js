// How the service is asked: its address is where the script came from, its key what the tag says.
const SCRIPT = document.currentScript;
const SETTINGS = { ...SCRIPT.dataset };
const BASE = new URL(".", SCRIPT.src).href;

async function ask(path, body) {
  const headers = SETTINGS.key ? { Authorization: `Bearer ${SETTINGS.key}` } : {};
  const isForm = body instanceof FormData;
  if (body && !isForm) headers["Content-Type"] = "application/json";
  const answer = await fetch(new URL(path, BASE), {
    method: body ? "POST" : "GET",
    headers,
    body: body && !isForm ? JSON.stringify(body) : body,
    credentials: "omit",
  });
  if (!answer.ok) throw Object.assign(new Error(`${answer.status}`), { status: answer.status });
  return answer.json();
}

function pictureOf(path) {
  if (!path) return "";
  try {
    const address = new URL(path.replace(/^\//, ""), BASE);
    return isWeb(address.href) ? address.href : "";
  } catch {
    return "";
  }
}

function isWeb(address) {
  try {
    return ["http:", "https:"].includes(new URL(address, document.baseURI).protocol);
  } catch {
    return false;
  }
}

function told(kind, product) {
  if (!("feedback" in SETTINGS)) return;
  const said = { kind, item_id: product.id };
  if (product.query) said.query_id = product.query;
  ask("v1/feedback", said).catch(() => {});
}

// The side of what is sent: the models look at less.
const SIDE = 1024;

async function smaller(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.87));
  return { blob, canvas };
}

async function lookAt(blob) {
  const form = new FormData();
  form.append("photo", blob, "photo.jpg");
  form.append("request", new Blob([JSON.stringify({ per_region: 8 })], { type: "application/json" }));
  return ask("v1/look", form);
}
