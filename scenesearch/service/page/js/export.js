/** A request as a command that can be run again. Pure. */

/** A word as a POSIX shell reads it back. @param {string} text */
export const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @typedef {{kind: "look" | "search", body: Record<string, any>, photoName?: string}} Asked */

/**
 * The key itself is never written, only `$KEY`.
 * @param {Asked} asked @param {string} base address of the service @param {boolean} withKey
 */
export function curlOf(asked, base, withKey) {
  const lines = [`curl ${shellQuoted(new URL(`v1/${asked.kind}`, base).href)}`];
  if (withKey) lines.push('  -H "Authorization: Bearer $KEY"');
  if (asked.kind === "look") {
    // `@` opens a file; a name with `;` or `,` in it would be read as more options, so it is quoted
    const name = (asked.photoName || "photo.jpg").replaceAll(/[\\"]/g, "_");
    lines.push(`  -F ${shellQuoted(`photo=@"${name}"`)}`);
    // --form-string, not -F: the JSON may begin with what curl takes for a file, or hold a `;`
    lines.push(`  --form-string ${shellQuoted(`request=${JSON.stringify(asked.body)}`)}`);
  } else {
    lines.push("  -H 'Content-Type: application/json'");
    lines.push(`  --data-raw ${shellQuoted(JSON.stringify(asked.body))}`);
  }
  return lines.join(" \\\n");
}
