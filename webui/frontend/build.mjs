// Bundles src/ into the folder given: one file per page part, style sheets and the licences of what went in beside them.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { build } from 'esbuild';

const [folder = '../static/dist'] = process.argv.slice(2);

const { metafile } = await build({
  entryPoints: ['src/viewer.js', 'src/app.js'],
  bundle: true,
  minify: true,
  metafile: true,
  // Plain scripts keep their names to themselves this way; several stand on one page.
  format: 'iife',
  target: 'es2020',
  outdir: folder,
  legalComments: 'none',
  logLevel: 'warning'
});

writeFileSync(join(folder, 'LICENSES.txt'), licences(Object.keys(metafile.inputs)));

function licences(inputs) {
  const names = new Set(inputs.map((path) => path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]).filter(Boolean));
  return [...names].sort().map(licence).join('\n');
}

function licence(name) {
  const home = join('node_modules', name);
  const { version, license } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  const file = readdirSync(home).find((each) => /^licen[cs]e/i.test(each));
  const text = file ? readFileSync(join(home, file), 'utf8') : `${license}\n`;
  return `${name} ${version}\n\n${text}`;
}
