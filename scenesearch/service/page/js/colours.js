/**
 * The colour families a shop shows, what they look like, and the names of the catalogue's
 * colour vocabulary that belong to each (docs/colours.md). A test holds this to the vocabulary.
 *
 * @typedef {{name: string, hex: string, names: string[]}} Family
 * @type {Family[]}
 */
export const FAMILIES = [
  { name: "black", hex: "#121212", names: ["black"] },
  { name: "grey", hex: "#808080", names: ["dark grey", "grey", "light grey"] },
  { name: "white", hex: "#ffffff", names: ["white"] },
  { name: "beige", hex: "#dfcfae", names: ["cream", "beige", "tan"] },
  { name: "brown", hex: "#7b4a21", names: ["taupe", "light brown", "brown", "dark brown"] },
  { name: "red", hex: "#d7141a", names: ["red", "burgundy"] },
  { name: "pink", hex: "#f7b5c7", names: ["coral", "pink", "hot pink", "magenta"] },
  { name: "orange", hex: "#f97b0d", names: ["orange", "peach"] },
  { name: "yellow", hex: "#ffe119", names: ["yellow", "mustard"] },
  {
    name: "green",
    hex: "#2f9e41",
    names: ["lime", "light green", "green", "dark green", "olive", "mint", "teal"],
  },
  { name: "blue", hex: "#1f63c4", names: ["turquoise", "light blue", "blue", "navy"] },
  { name: "purple", hex: "#7a2a8c", names: ["violet", "purple", "lavender"] },
];

/** The names of the vocabulary that some families stand for. @param {string[]} families */
export const namesOf = (families) =>
  FAMILIES.filter((family) => families.includes(family.name)).flatMap((family) => family.names);

/**
 * Counts by family, from counts by name. A thing of several shades of one family is counted once
 * for each, so a family is what its most frequent shade says at least.
 * @param {{value: any, count: number}[]} values @returns {Map<string, number>}
 */
export function countsByFamily(values) {
  const counts = new Map();
  for (const family of FAMILIES) {
    const seen = values.filter((entry) => family.names.includes(String(entry.value)));
    if (seen.length) counts.set(family.name, Math.max(...seen.map((entry) => entry.count)));
  }
  return counts;
}
