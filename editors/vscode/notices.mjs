// Which packages are in the bundle, whether their licences allow it, and the notices that must go with them.
// Reads dist/meta.json (written by the bundler), writes dist/NOTICES.txt; ends with status 1 at a licence not listed here.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ALLOWED = new Set(["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "BlueOak-1.0.0"]);

const inputs = Object.keys(JSON.parse(readFileSync("dist/meta.json", "utf8")).inputs);
const folders = new Set(inputs.flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []));
const notices = [...folders].sort().map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (!ALLOWED.has(license)) {
    console.error(`${name} ${version} is under ${license}, which notices.mjs does not allow`);
    process.exit(1);
  }
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  console.log(`bundled: ${name} ${version}, ${license}`);
  return `${name} ${version} (${license})\n\n${file ? readFileSync(join(folder, file), "utf8").trim() : ""}\n`;
});
writeFileSync("dist/NOTICES.txt", notices.join(`\n${"-".repeat(80)}\n\n`));
