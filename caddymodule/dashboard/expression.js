// Indicator expressions such as rsi(14,src=ema(20)) or mymod/foo(5,mode=fast): reading them, holding them against manifests, and
// writing the one spelling that the server uses. What does not pass here is never sent.

const expressionForm = /^[a-z][a-z0-9_/(),.=+-]{0,255}$/;
const nameForm = /^([a-z][a-z0-9-]{1,40}\/)?[a-z][a-z0-9_]{0,31}$/;
const mostNested = 4; // the server's limit
const ownModule = 'builtin/';

export const prices = Object.freeze(['close', 'open', 'high', 'low', 'hl2', 'hlc3', 'ohlc4', 'hlcc4', 'volume', 'quote_volume']);

export const nameAllowed = (name) => typeof name === 'string' && nameForm.test(name);
export const expressionAllowed = (text) => typeof text === 'string' && expressionForm.test(text);
export const isNumeric = (param) => param.type === 'int' || param.type === 'float';

// splitArguments cuts "14,src=ema(20)" at the commas outside parentheses.
export function splitArguments(list) {
  const parts = [];
  let depth = 0;
  let begin = 0;
  for (let i = 0; i <= list.length; i++) {
    const c = list[i];
    if (c === '(') depth++;
    if (c === ')') depth--;
    if (i === list.length || (c === ',' && depth === 0)) {
      if (i > begin) parts.push(list.slice(begin, i));
      begin = i + 1;
    }
  }
  return parts;
}

// parseInstance splits "own/macd(12,26,9,profile=tv)" into its path, name, positional and named arguments.
export function parseInstance(instance) {
  const open = instance.indexOf('(');
  const list = open < 0 ? [] : splitArguments(instance.slice(open + 1, instance.lastIndexOf(')')));
  const path = open < 0 ? instance : instance.slice(0, open);
  const named = [];
  const positional = [];
  for (const part of list) {
    const equals = part.indexOf('=');
    if (equals > 0 && !part.slice(0, equals).includes('(')) named.push([part.slice(0, equals), part.slice(equals + 1)]);
    else positional.push(part);
  }
  return { path, name: path.slice(path.lastIndexOf('/') + 1), positional, named: new Map(named), twice: new Map(named).size < named.length };
}

// pathOf is what the list of indicators calls the indicator of an expression.
export function pathOf(expression) {
  const { path } = parseInstance(expression);
  return path.startsWith(ownModule) ? path.slice(ownModule.length) : path;
}

// pathsOf are those of an expression and of all that stand in its src.
export function pathsOf(expression, left = mostNested) {
  const src = parseInstance(expression).named.get('src');
  const inner = src === undefined || prices.includes(src) || left === 1 ? [] : pathsOf(src, left - 1);
  return [pathOf(expression), ...inner];
}

// faultOf says what is wrong with the value of a parameter, in words; '' is nothing.
export function faultOf(param, value) {
  if (param.type === 'bool') return value === 0 || value === 1 ? '' : 'yes or no';
  if (param.type === 'enum') return Number.isInteger(value) && value >= 0 && value < param.options.length ? '' : `one of ${param.options.join(', ')}`;
  if (typeof value !== 'number' || !Number.isFinite(value)) return 'a number is missing';
  if (param.type === 'int' && !Number.isInteger(value)) return 'a whole number is wanted';
  if (param.min !== undefined && value < param.min) return `at least ${param.min}`;
  if (param.max !== undefined && value > param.max) return `at most ${param.max}`;
  return '';
}

function numberOf(text) {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(text) ? Number(text) : NaN;
}

function valueOf(param, text) {
  if (param.type === 'bool') return { true: 1, 1: 1, false: 0, 0: 0 }[text] ?? NaN;
  return param.type === 'enum' ? param.options.indexOf(text) : numberOf(text);
}

// digits writes a number as the server does: short plain digits, else an exponent of at least two.
function digits(x) {
  const size = Math.abs(x);
  if (size === 0) return '0';
  if (size >= 1e-6 && size < 1e15) return String(x);
  return x.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

function textOf(param, value) {
  if (param.type === 'bool') return value === 1 ? 'true' : 'false';
  return param.options[value];
}

// format writes the canonical form: all numbers by position, other parameters by name where they are not the default, the source
// last. values are by the name of the parameter.
export function format(path, manifest, values, src = 'close') {
  const params = manifest.params ?? [];
  const args = params.filter(isNumeric).map((p) => digits(values.get(p.name)));
  for (const p of params) {
    if (!isNumeric(p) && values.get(p.name) !== p.default) args.push(`${p.name}=${textOf(p, values.get(p.name))}`);
  }
  if (src !== 'close') args.push(`src=${src}`);
  return args.length === 0 ? path : `${path}(${args.join(',')})`;
}

const refuse = (expression, why) => { throw new Error(`${expression.slice(0, 80)}: ${why}`); };

// canonical holds an expression against the manifests that manifestOf returns by path, and returns its canonical form. It throws
// an error that says what is wrong.
export function canonical(expression, manifestOf, left = mostNested) {
  if (!expressionAllowed(expression) || !balanced(expression)) refuse(expression, 'this is no indicator');
  const { positional, named, twice } = parseInstance(expression);
  if (twice) refuse(expression, 'a parameter is given twice');
  const path = pathOf(expression);
  const manifest = nameAllowed(path) ? manifestOf(path) : undefined;
  if (!manifest) refuse(expression, 'the server does not have this indicator');
  const values = new Map();
  const params = manifest.params ?? [];
  const set = (param, text) => {
    if (param === undefined || values.has(param.name)) refuse(expression, `${text} has no place`);
    values.set(param.name, valueOf(param, text));
  };
  for (const text of positional) {
    const numeric = /^[0-9.+-]/.test(text);
    set(params.find((p) => isNumeric(p) === numeric && !values.has(p.name)), text);
  }
  let src = 'close';
  for (const [name, text] of named) {
    const param = params.find((p) => p.name === name);
    if (param === undefined && name === 'src' && manifest.input === 'src') src = source(text, manifestOf, left);
    else set(param, text);
  }
  for (const p of params) {
    if (!values.has(p.name)) values.set(p.name, p.default);
    const fault = faultOf(p, values.get(p.name));
    if (fault) refuse(expression, `${p.name}: ${fault}`);
  }
  return format(path, manifest, values, src);
}

function source(text, manifestOf, left) {
  if (prices.includes(text)) return text;
  if (left === 1) refuse(text, `src nests deeper than ${mostNested}`);
  return canonical(text, manifestOf, left - 1);
}

function balanced(text) {
  let depth = 0;
  for (const c of text) {
    if (c === '(') depth++;
    if (c === ')' && --depth < 0) return false;
  }
  return depth === 0 && (!text.includes('(') || text.endsWith(')'));
}
