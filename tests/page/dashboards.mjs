// Checks dashboards against the types that Grafana publishes, as a compiler does: unknown keys, missing ones,
// values of another type. Prints one line for each mistake.
//
//   node dashboards.mjs NODE_MODULES SCRATCH DASHBOARD.json...
//
// @grafana/schema has the dashboard, and options and field configuration of each kind of panel. Its
// enumerations are written as unions first: JSON has the values, not the names.
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';

const [modules, scratch, ...files] = process.argv.slice(2).map((path) => resolve(path));
const ts = createRequire(join(modules, 'x.js'))('typescript');

const types = join(scratch, 'schema');
rmSync(scratch, { recursive: true, force: true });
mkdirSync(scratch, { recursive: true });
cpSync(join(modules, '@grafana/schema/dist/types'), types, { recursive: true });

const union = (_, name, body) => {
  const members = [...body.matchAll(/^\s*(\w+) = ("[^"]*"|-?\d+)/gm)];
  const values = members.map(([, , value]) => value);
  const named = members.map(([, member, value]) => `type ${member} = ${value};`);
  return `export type ${name} = ${values.join(' | ')};\nexport declare namespace ${name} { ${named.join(' ')} }`;
};
const rewrite = (folder) => {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) rewrite(path);
    else if (path.endsWith('.d.ts')) {
      const text = readFileSync(path, 'utf8');
      writeFileSync(path, text.replace(/export declare enum (\w+) \{([^}]*)\}/g, union));
    }
  }
};
rewrite(types);

// A fresh literal for each part: only of those does the compiler refuse keys that it does not know.
const literal = (value) => JSON.stringify(value, null, 1);
const lines = ["import type { Dashboard, Panel } from './schema/raw/dashboard/x/types.gen';"];
const panels = new Set();
const parts = [];
for (const file of files) {
  const dashboard = JSON.parse(readFileSync(file, 'utf8'));
  const name = basename(file, '.json').replace(/\W/g, '_');
  parts.push(`export const ${name}: Dashboard = ${literal(dashboard)};`);
  for (const panel of dashboard.panels) {
    const kind = panel.type;
    const own = readFileSync(join(types, 'raw/composable', kind, 'panelcfg/x/types.gen.d.ts'), 'utf8');
    panels.add(kind);
    parts.push(`export const ${name}_${panel.id}: Panel = ${literal(panel)};`);
    parts.push(`export const ${name}_${panel.id}_options: ${kind}.Options = ${literal(panel.options)};`);
    if (/interface FieldConfig\b/.test(own)) {
      const custom = literal(panel.fieldConfig.defaults.custom ?? {});
      parts.push(`export const ${name}_${panel.id}_custom: Partial<${kind}.FieldConfig> = ${custom};`);
    }
  }
}
for (const kind of panels) lines.push(`import type * as ${kind} from './schema/raw/composable/${kind}/panelcfg/x/types.gen';`);
const check = join(scratch, 'check.ts');
writeFileSync(check, [...lines, ...parts].join('\n'));

const program = ts.createProgram([check], {
  noEmit: true, strict: true, skipLibCheck: true, types: [],
  target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
  baseUrl: scratch, paths: { '@grafana/schema': ['./schema/index'] },
});
const found = ts.getPreEmitDiagnostics(program);
for (const { file, start, messageText } of found) {
  const text = ts.flattenDiagnosticMessageText(messageText, ' ');
  const place = file ? `${basename(file.fileName)}:${file.getLineAndCharacterOfPosition(start).line + 1}: ${file.text.slice(start, start + 60).split('\n')[0]}: ` : '';
  console.log(place + text);
}
console.log(`${files.length} dashboards, ${parts.length} parts, ${found.length} mistakes`);
process.exit(found.length === 0 ? 0 : 1);
