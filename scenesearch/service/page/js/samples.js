/** The sample photos that come with the service, and what is in them. */

/** @type {[name: string, title: string][]} */
export const SAMPLES = [
  ["room-1", "Living room: green armchair, orange couch"],
  ["room-2", "Bedroom: pink bed, tiled floor"],
  ["room-3", "Dining corner: black round table"],
  ["room-4", "Red chair before a green wall"],
  ["room-5", "Sitting room: yellow armchair, round rug"],
  ["room-6", "Bright bedroom: pink bed, wooden chair"],
  ["room-7", "Dining room: round table, black chairs"],
  ["room-8", "Yellow armchair, black chair, plant"],
];

/** @param {string} name */
export const sampleAddress = (name) => new URL(`../samples/${name}.jpg`, import.meta.url).href;

/** @param {string | null} id */
export const isSample = (id) => SAMPLES.some(([name]) => name === id);
