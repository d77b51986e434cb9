/** The page's pure modules, by node's own test runner; see test_page_modules.py. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { countsByFamily, namesOf } from "./js/colours.js";
import { curlOf, shellQuoted } from "./js/export.js";
import { chipsOf, countOf, isChoosable, noFilters, readPrice, toggledColour, toggledValue, whereText } from "./js/filters.js";
import {
  factOf, hotspotLabel, isWeak, looksOf, priceBefore, priceOf, readable, regionName, safeLink, sorted, stockOf,
} from "./js/format.js";
import { apart, between, inWords, isMeant, keyed, moved, resized, toShares } from "./js/geometry.js";
import { isForTheService, webAddress } from "./js/photo.js";
import { isSameStep, placeOf, readPlace } from "./js/place.js";
import { explain, readProblem } from "./js/problems.js";
import { changesOfObject, lookRequest, narrowings, noRefinement, ofObject, optionsOf, withItem } from "./js/request.js";
import { csvOf, linkOf, toggledSaved } from "./js/saved.js";
import { isDue, matchesShown, problemOf, reduce, start, titleOfState, wanted } from "./js/state.js";
import { boundText, isComparison, partsOf, turnText, wordsWithout } from "./js/words.js";

const near = (found, expected) => expected.forEach((side, i) => assert.ok(Math.abs(found[i] - side) < 1e-9, `${found}`));
const parsed = (changes) => ({
  text: "", colours: [], not_colours: [], categories: [], kinds: [], not_categories: [], price: null, currency: null,
  in_stock: null, remaining: "", not_words: [], notes: [], understood: [], ...changes,
});
const look = (changes) => ({ query_id: "q", next_offset: null, scene: null, regions: [], matches: [], facets: {}, notes: [], ...changes });
const photo = { id: "p1", blob: null, url: "blob:1", name: "p.jpg", width: 10, height: 10, link: null };
const box = [0.2, 0.2, 0.6, 0.5];

test("a box never leaves the photo, however far it is moved", () => {
  near(moved(box, 5, -5), [0.6, 0, 1, 0.3]);
  near(moved(box, -0.1, 0.1), [0.1, 0.3, 0.5, 0.6]);
});

test("a handle moves its own edges, never past the opposite ones", () => {
  near(resized(box, "se", 0.1, 0.1), [0.2, 0.2, 0.7, 0.6]);
  near(resized(box, "nw", 9, 9), [0.57, 0.47, 0.6, 0.5]);
  near(resized(box, "n", 0.3, -1), [0.2, 0, 0.6, 0.5]);
});

test("arrow keys move a box, with shift they resize it, others leave it alone", () => {
  near(keyed(box, "ArrowLeft", false, 0.02), [0.18, 0.2, 0.58, 0.5]);
  near(keyed(box, "ArrowDown", true, 0.02), [0.2, 0.2, 0.6, 0.52]);
  assert.equal(keyed(box, "a", false, 0.02), null);
});

test("a box may be drawn from any corner, and a slip of the hand is no box", () => {
  near(between({ x: 0.9, y: 0.1 }, { x: 0.5, y: 1.4 }), [0.5, 0.1, 0.9, 1]);
  assert.equal(isMeant([0.5, 0.5, 0.51, 0.9]), false);
  near(toShares([-5, 10, 50, 400], 100, 200), [0, 0.05, 0.5, 1]);
  assert.equal(inWords(box), "20 % from the left, 20 % from the top, 40 % wide, 30 % high");
});

test("thirty marks at one place part, and stay inside", () => {
  const room = { gap: 38, width: 320, height: 240, margin: 20 };
  const placed = apart(Array.from({ length: 30 }, () => ({ x: 5, y: 5 })), room);
  placed.forEach((a, i) => {
    assert.ok(a.x >= 20 && a.x <= 300 && a.y >= 20 && a.y <= 220);
    placed.slice(i + 1).forEach((b) => assert.ok(Math.hypot(a.x - b.x, a.y - b.y) >= 37.9));
  });
});

test("marks that are apart already are left where they are", () => {
  const points = [{ x: 50, y: 50 }, { x: 150, y: 50 }];
  assert.deepEqual(apart(points, { gap: 38, width: 300, height: 300 }), points);
});

test("choices become a filter, and quotes in a value stay in it", () => {
  const filters = { values: { category: ["chair"], brand: ['a "b" \\', "c"] }, colours: ["beige"], price: { min: 10, max: 50.5 } };
  assert.equal(whereText(filters), '"category" = "chair" and "brand" in ("a \\"b\\" \\\\", "c") and '
    + '"colour_names" in ("cream", "beige", "tan") and price >= 10 and price <= 50.5');
  assert.equal(whereText(noFilters()), null);
  assert.equal(countOf(filters), 5);
});

test("every choice is a chip that takes itself back", () => {
  const filters = { values: { category: ["chair", "sofa"] }, colours: ["red"], price: { min: null, max: 9 } };
  const chips = chipsOf(filters);
  assert.deepEqual(chips.map((chip) => chip.text), ["Category: chair", "Category: sofa", "Colour: red", "Price: up to 9"]);
  chips.forEach((chip) => assert.equal(countOf(chip.without), countOf(filters) - 1));
  assert.deepEqual(toggledValue(filters, "category", "chair").values.category, ["sofa"]);
});

test("a field that holds or does not is named without its value", () => {
  const filters = toggledValue(noFilters(), "in_stock", "true");
  assert.equal(whereText(filters), '"in_stock" = "true"');
  assert.deepEqual(chipsOf(filters).map((chip) => chip.text), ["In stock"]);
});

test("a price is read as people write it, or not at all", () => {
  assert.deepEqual(["12", " 9,50 ", "", "-3", "ten", "1e999"].map(readPrice), [12, 9.5, null, null, null, null]);
});

test("a colour family stands for its names, and counts as its most frequent one", () => {
  assert.deepEqual(namesOf(["white", "red"]), ["white", "red", "burgundy"]);
  assert.equal(countsByFamily([{ value: "navy", count: 3 }, { value: "blue", count: 5 }]).get("blue"), 5);
});

test("understood words come apart, and go together again without one part", () => {
  const said = parsed({ colours: ["blue"], categories: ["chair"], price: { lt: 50, gt: null }, currency: "USD", remaining: "soft", not_words: ["wool"] });
  assert.deepEqual(partsOf(said).map((part) => part.text), ["Colour: blue", "Category: chair", "Under 50 USD", "“soft”", "Without wool"]);
  assert.equal(wordsWithout(said, "colour:blue"), "chair, under 50 USD, soft, without wool");
  assert.deepEqual(partsOf(null), []);
});

test("bounds of a price are written as they are read", () => {
  const written = (price) => partsOf(parsed({ price }))[0].words;
  assert.equal(written({ gte: 20, lte: 40 }), "from 20 to 40");
  assert.equal(written({ lte: 40 }), "at most 40");
  assert.equal(written({ gt: 5 }), "over 5");
});

test("what is at its default is not sent", () => {
  assert.deepEqual(optionsOf(noRefinement(), {}), { limit: 24, suggest: 5 });
  const asked = lookRequest({ ...noRefinement(), words: " blue ", sort: "-price" }, { category: "keyword", price: "float" }, box);
  assert.deepEqual(asked, {
    limit: 24, suggest: 5, words: "blue", sort: "-price", facets: ["category"], per_region: 12, boxes: [box], box_format: "xyxy_norm",
  });
});

test("filters of one object and what was said go as turns, and none of an object's for an area", () => {
  const own = { 2: toggledValue(noFilters(), "category", "chair"), 3: noFilters() };
  const turns = [{ words: "cheaper", object: null }, { where: "price < 9", object: 2 }];
  const asked = { ...noRefinement(), own, turns };
  assert.deepEqual(lookRequest(asked, {}, null).refine, [
    { where: '"category" = "chair"', object: 2 }, { words: "cheaper" }, { where: "price < 9", object: 2 },
  ]);
  assert.deepEqual(lookRequest(asked, {}, box).refine, [{ words: "cheaper" }]);
  assert.equal("refine" in lookRequest({ ...noRefinement(), own }, {}, box), false);
  assert.equal(narrowings(asked), 3);
});

test("what one object is filtered by is its own", () => {
  const filters = toggledColour(noFilters(), "red");
  const changes = changesOfObject(noRefinement(), 2, { filters, sort: "price" });
  assert.deepEqual(changes, { sort: "price", own: { 2: filters } });
  const narrowed = { ...noRefinement(), ...changes };
  assert.equal(ofObject(narrowed, 2).filters, filters);
  assert.deepEqual(ofObject(narrowed, 1).filters, noFilters());
  assert.deepEqual(narrowed.filters, noFilters());
});

test("what a comparison was with is kept, and is no new question", () => {
  let state = reduce(start(), { type: "photo", photo });
  state = reduce(state, { type: "refine", changes: { own: { 2: toggledValue(noFilters(), "category", "chair") }, turns: [{ words: "cheaper", object: null }, { words: "in oak", object: 2 }] } });
  const refined = [{ to: {} }, { to: { 1: "a", 2: "b" } }, { to: {} }];
  state = reduce(state, { type: "answered", key: isDue(state).key, slot: "base", look: look({ query_id: "q", refined }) });
  assert.deepEqual(state.refinement.turns, [{ words: "cheaper", object: null, to: { 1: "a", 2: "b" } }, { words: "in oak", object: 2 }]);
  assert.equal(isDue(state), null);
  assert.deepEqual(state.base.asked, state.refinement);
});

test("words that compare with what is shown are told from words", () => {
  for (const text of ["cheaper", "a bit cheaper", "Not that brand", "another colour", "something else", "wider ones", "moins cher", "the same brand"]) {
    assert.equal(isComparison(text), true, text);
  }
  for (const text of ["in walnut", "not blue", "cheaper sofa", "under 50", "", "another"]) assert.equal(isComparison(text), false, text);
});

test("a turn is said as people say it", () => {
  assert.equal(turnText({ words: "not that brand", object: null }), "Not that brand");
  assert.equal(turnText({ where: '"title" = "a \\"b\\""', object: 2 }), 'A "b"');
  assert.equal(turnText({ where: "price < 250", object: null }), "Under 250");
  const read = { understood: ["1: price < 20", "2: price < 261.99"] };
  assert.equal(boundText(read, 2), "under 261.99");
  assert.equal(boundText(read, null), "");
  assert.equal(boundText({ understood: ["brand != Nord"] }, null), "not Nord");
  assert.equal(boundText(undefined, 2), "");
  assert.equal(boundText({ understood: ["2: item_id != a-1"] }, 2), "");
});

test("a unit in a field's name belongs to the value", () => {
  assert.deepEqual(factOf("width_cm", "207.4"), ["Width", "207.4 cm"]);
  assert.deepEqual(factOf("colour", "red"), ["Colour", "red"]);
  assert.deepEqual(factOf("made_in", "Spain"), ["Made in", "Spain"]);
});

test("more and less of one product replace each other, and the same again takes it back", () => {
  const more = { id: "a", title: "A", weight: 1 };
  const less = { ...more, weight: -0.5 };
  assert.deepEqual(withItem([more], less), [less]);
  assert.deepEqual(withItem([less], less), []);
});

test("only web addresses are linked", () => {
  const bad = ["javascript:alert(1)", " JaVaScRiPt:alert(1)", "data:text/html,x", "//x.example", "/x", "", null, 7, "file:///etc/passwd"];
  bad.forEach((text) => assert.equal(safeLink(text), null, String(text)));
  assert.equal(safeLink(" https://x.example/a b"), "https://x.example/a%20b");
});

test("a price has its currency where that is one", () => {
  const priced = (attributes) => priceOf({ attributes }, "en-GB");
  assert.equal(priced({ price: 9.5, currency: "eur" }), "€9.50");
  assert.equal(priced({ price: 9.5, currency: "beans" }), "9.5");
  assert.equal(priced({ price: "9.5" }), "");
});

test("a hotspot says its number, what it is, and how much was found", () => {
  assert.equal(hotspotLabel({ number: 2, label: "chair", matches: [1, 2] }), "Object 2: Chair, 2 matches");
  assert.equal(hotspotLabel({ number: 1, label: null, kind: "tile", matches: [1] }), "Object 1: Part of the photo, 1 match");
});

test("an order by a field puts what lacks it last", () => {
  const list = [{ attributes: {} }, { attributes: { price: 9 } }, { attributes: { price: 10 } }];
  assert.deepEqual(sorted(list, "-price"), [list[2], list[1], list[0]]);
  assert.equal(sorted(list, ""), list);
});

test("problems are told apart, whoever wrote them", () => {
  const ours = readProblem(503, "application/problem+json", '{"code":"busy","request_id":"r1"}', "r0", "3");
  assert.deepEqual([ours.code, ours.requestId, ours.retryAfter], ["busy", "r1", 3]);
  const proxy = readProblem(502, "text/html", "<h1>Bad gateway</h1>", null, null);
  assert.equal(explain(proxy).title, "Something went wrong in the service");
  assert.equal(explain(proxy).detail, "");
  assert.equal(readProblem(500, "application/json", "not json", "r2", "soon").retryAfter, null);
});

test("what a person can mend is said as the service says it", () => {
  const said = explain({ status: 422, code: "bad_filter", detail: "unknown field 'prize'", requestId: "r", retryAfter: null });
  assert.equal(said.detail, "unknown field 'prize'");
  assert.equal(said.canRetry, false);
  assert.equal(explain({ status: 401, code: "unauthorized", detail: "x", requestId: "", retryAfter: null }).wantsKey, true);
});

test("a shell reads a command back as it was, and the key is never in it", () => {
  assert.equal(shellQuoted("it's $HOME"), "'it'\\''s $HOME'");
  const curl = curlOf({ kind: "look", body: { words: "it's" }, photoName: 'a";b.jpg' }, "http://h/x/", true);
  assert.match(curl, /^curl 'http:\/\/h\/x\/v1\/look'/);
  assert.match(curl, /"Authorization: Bearer \$KEY"/);
  assert.match(curl, /photo=@"a_;b\.jpg"/);
});

test("an answer is asked for once, and again when the question changes", () => {
  let state = reduce(start(), { type: "photo", photo });
  const first = isDue(state);
  assert.equal(first.slot, "base");
  state = reduce(state, { type: "answered", key: first.key, slot: "base", look: look({ query_id: "q1" }) });
  assert.equal(isDue(state), null);
  assert.equal(state.queryId, "q1");
  state = reduce(state, { type: "refine", changes: { words: "blue" } });
  assert.equal(isDue(state).body.words, "blue");
  state = reduce(state, { type: "failed", key: isDue(state).key, problem: {} });
  assert.equal(isDue(state), null, "what failed is not asked for again by itself");
  assert.notEqual(isDue(reduce(state, { type: "retry" })), null);
});

test("an area is asked for apart, and forgotten with its box", () => {
  let state = reduce(start(), { type: "photo", photo });
  state = reduce(state, { type: "box", box });
  assert.deepEqual(wanted(state).body.boxes, [box]);
  assert.equal(state.target, "area");
  state = reduce(state, { type: "answered", key: "k", slot: "area", look: look({ query_id: "q2", regions: [{ matches: ["m"] }] }) });
  assert.equal(state.queryId, null, "an area's answer is not the photo's");
  assert.deepEqual(matchesShown(state), ["m"]);
  assert.equal(reduce(state, { type: "box", box: null }).target, "all");
});

test("more matches are added once each", () => {
  const match = (id) => ({ item_id: id });
  let state = reduce(start(), { type: "words", words: "chair" });
  state = reduce(state, { type: "answered", key: wanted(state).key, slot: "base", look: look({ matches: [match("a"), match("b")], next_offset: 2 }) });
  state = reduce(state, { type: "more", slot: "base", look: look({ matches: [match("b"), match("c")] }) });
  assert.deepEqual(matchesShown(state).map((one) => one.item_id), ["a", "b", "c"]);
  assert.equal(state.base.nextOffset, null);
});

test("a chosen object that is gone leaves the whole look", () => {
  let state = reduce(start(), { type: "photo", photo });
  state = reduce({ ...state, target: 4 }, { type: "answered", key: "k", slot: "base", look: look({ regions: [{}] }) });
  assert.equal(state.target, "all");
});

/** A state that asks for everything an address can say. */
const asking = () => {
  let state = reduce(start(), { type: "photo", photo });
  state = reduce(state, { type: "answered", key: "k", slot: "base", look: look({ query_id: "Q_-1", regions: [1, 2, 3].map(() => ({ matches: [] })) }) });
  state = reduce(state, { type: "target", target: 2 });
  const filters = { values: { category: ["chair", "a&b=c"], "is.odd": ["x"] }, colours: ["red"], price: { min: 5, max: 10.5 } };
  const items = [{ id: "a/b", title: "a/b", weight: 1 }, { id: "c", title: "c", weight: -0.5 }];
  const own = { 2: { values: { brand: ["a=b"] }, colours: ["blue"], price: { min: null, max: 9 } } };
  const turns = [{ words: "not that brand", object: 2, to: { 2: "x=y" } }, { where: '"title" = "a~b"', object: null }];
  return reduce(state, { type: "refine", changes: { words: "blue, under $50", filters, own, turns, items, sort: "-price", preset: "exact", objects: 15 } });
};

test("an address says everything that is asked, and is read back to the same", () => {
  const state = reduce(asking(), { type: "product", id: "sku 7" });
  const place = readPlace(`#${placeOf(state)}`);
  // read without a prototype, which a name of a field could be
  const plain = (refinement) => JSON.parse(JSON.stringify(refinement));
  assert.deepEqual(plain(place.refinement), plain(state.refinement));
  assert.deepEqual([place.photo, place.query, place.target, place.product], ["p1", "Q_-1", 2, "sku 7"]);
  assert.equal(placeOf(reduce(state, { type: "restore", place, photo })), placeOf(state));
});

test("what an address says wrongly is left out, and nothing of it is nothing", () => {
  assert.equal(readPlace("#"), null);
  assert.equal(readPlace("#sort=price"), null);
  const place = readPlace("#photo=p&object=-1&area=0.5,0.5,0.4,2&preset=worst&objects=9999&sort=__proto__&price=ten..-3&is.__proto__=x");
  assert.deepEqual([place.target, place.box, place.refinement.preset, place.refinement.objects, place.refinement.sort], ["all", null, "", 8, ""]);
  assert.deepEqual(place.refinement.filters.price, { min: null, max: null });
  assert.equal({}.x, undefined);
  const own = readPlace("#photo=p&0.colour=red&x.colour=red&100.colour=red&2.odd=1&turn=&turn=~&turn=2&turn=0~cheaper&turn=3~cheaper");
  assert.deepEqual([own.refinement.own, own.refinement.turns], [{}, [{ words: "cheaper", object: 3 }]]);
});

test("an id of the service is no step, a filter is", () => {
  assert.equal(isSameStep("photo=p", "photo=p&query=q"), true);
  assert.equal(isSameStep("photo=p&query=q", "photo=p&query=q&words=blue"), false);
});

test("a step back keeps what is known of the same photo, and forgets another's", () => {
  const state = asking();
  const place = { ...readPlace("#photo=p1&object=1"), query: null };
  assert.equal(reduce(state, { type: "restore", place, photo }).base, state.base);
  const other = reduce(state, { type: "restore", place: { ...place, query: "old" }, photo: { ...photo, id: "p2" } });
  assert.deepEqual([other.base, other.queryId, other.target], [null, "old", 0]);
});

test("what failed is said of what is wanted now, and the answer before it stays", () => {
  let state = reduce(start(), { type: "words", words: "chair" });
  const before = wanted(state).key;
  state = reduce(state, { type: "answered", key: before, slot: "base", look: look({ matches: [{ item_id: "a" }] }) });
  const asked = state.refinement;
  state = reduce(state, { type: "refine", changes: { words: "char" } });
  state = reduce(state, { type: "failed", key: wanted(state).key, problem: { title: "no" } });
  assert.deepEqual([problemOf(state).title, matchesShown(state).length], ["no", 1]);
  assert.deepEqual(state.base.asked, asked);
  state = reduce(state, { type: "refine", changes: state.base.asked });
  assert.deepEqual([problemOf(state), isDue(state)], [null, null], "undone: nothing failed, nothing is asked");
});

test("a product that an address names by its id has its title once an answer has it", () => {
  let state = reduce(start(), { type: "restore", place: readPlace("#words=x&more=a"), photo: null });
  state = reduce(state, { type: "answered", key: "k", slot: "base", look: look({ matches: [{ item_id: "a", attributes: { title: "A chair" } }] }) });
  assert.equal(state.refinement.items[0].title, "A chair");
  assert.equal(titleOfState(state), "“x”");
});

test("names of several vocabularies are written alike", () => {
  assert.deepEqual(["potted plant", "Cabinetry", "coffee_table", "TV", "HOUSE plant"].map(readable),
    ["Potted plant", "Cabinetry", "Coffee table", "TV", "House plant"]);
  assert.equal(regionName({ label: "couch" }), "Couch");
});

test("a match of another kind is weak, and none is where kinds are not compared", () => {
  assert.deepEqual([{ meaning: 0 }, { meaning: 0.06 }, {}].map((parts) => isWeak({ parts })), [true, false, false]);
});

test("a card says what it cost before, whether it can be had, its colour and size", () => {
  const of = (attributes) => ({ attributes });
  assert.equal(priceBefore(of({ price: 80, list_price: 100, currency: "EUR" }), "en-GB"), "€100.00");
  assert.equal(priceBefore(of({ price: 100, list_price: 100 })), "");
  assert.deepEqual([{ in_stock: false }, { availability: "sold_out" }, { availability: "in_stock" }, {}].map((a) => stockOf(of(a))), [false, false, true, null]);
  assert.deepEqual(looksOf(of({ colour: "oak", width_cm: 80.4, depth_cm: 40, height_cm: 120 })), ["oak", "80 × 40 × 120 cm"]);
  assert.deepEqual(looksOf(of({ color: "red", size: "M", width_cm: 8 })), ["red", "M"]);
});

test("what says nothing to a shopper is no filter", () => {
  const fields = { colour_names: "keyword", colour: "keyword" };
  assert.deepEqual(["group", "sku", "item_id", "image_url", "currency", "colour", "colour_names"].filter((field) => isChoosable(field, fields)), []);
  assert.deepEqual(["category", "brand", "material", "style"].filter((field) => !isChoosable(field, fields)), []);
  assert.equal(isChoosable("colour", {}), true);
});

test("a wish list is changed by a second press, and is a table and an address", () => {
  const one = { id: "a&b", title: '=1+1 "x"', price: "€5", photo: null, url: null };
  assert.deepEqual(toggledSaved(toggledSaved([], one), one), []);
  assert.equal(csvOf([one]).split("\r\n")[1], `"a&b","'=1+1 ""x""","€5",""`);
  assert.deepEqual(readPlace(new URL(linkOf([one], "http://h/x/")).hash).saved, ["a&b"]);
});

test("photos that only the service can read are told by their first bytes", () => {
  const head = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  assert.deepEqual(["\0\0\0\x18ftypheic", "\0\0\0\x18ftypmif1", "II*\0", "MM\0*"].map((text) => isForTheService(head(text))), [true, true, true, true]);
  assert.deepEqual(["\0\0\0\x18ftypisom", "not a photo", "%PDF-1.7"].map((text) => isForTheService(head(text))), [false, false, false]);
});

test("an address is a web address and nothing else", () => {
  assert.equal(webAddress(" https://x.example/a.jpg\n"), "https://x.example/a.jpg");
  for (const text of ["see https://x.example/a.jpg", "javascript:alert(1)", "file:///a.jpg", "data:image/png,x", "https://", null]) assert.equal(webAddress(text), null);
});
