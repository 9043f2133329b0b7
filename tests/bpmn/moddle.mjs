// Reads and writes files as a modeler does; prints the ones that come out differently as JSON.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [library, descriptor, ...files] = process.argv.slice(2);
const { BpmnModdle } = await import(pathToFileURL(library));
const power = JSON.parse(readFileSync(descriptor, 'utf8'));
const changed = {};
for (const file of files) {
  const { rootElement, warnings } = await new BpmnModdle({ power }).fromXML(readFileSync(file, 'utf8'));
  const { xml } = await new BpmnModdle({ power }).toXML(rootElement, { format: true });
  changed[file] = { xml, warnings: warnings.map((each) => each.message) };
}
console.log(JSON.stringify(changed));
