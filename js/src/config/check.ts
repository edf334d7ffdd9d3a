/**
 * What the page can say of a draft by itself, at once and while the kernel is busy: types and limits from the kernel's own
 * tables (`Forms`), and the plainest contradictions. The words are Python's. The kernel's verdict replaces all of it.
 */

import { at, type Keys } from "./edit";
import { isDict, isList, Numeral, type Dict, type Exact } from "./exact";
import { isInteger, isNumber } from "../numbers";
import { quoted, repr } from "./python";
import { GROUP, rows, type Row } from "./space";
import type { FieldInfo, Forms, Problem } from "../protocol";

/** Everything that is wrong, in the order of the form. */
export function check(config: Exact, forms: Forms): Problem[] {
  return [...checkSweep(config, forms), ...checkMetric(config, forms), ...checkStopping(config, forms), ...checkSpace(config, forms)];
}

/** Why a value cannot stand in a field; "" if it can. */
export function complaint(field: FieldInfo, value: Exact): string {
  const type = field["type"];
  if (typeof type === "string" && !isOf(value, type)) {
    return `${short(value)} is not of type '${type}'${mend(value, type)}`;
  }
  const choices = field["enum"];
  if (Array.isArray(choices) && !choices.includes(value as string)) {
    return `${short(value)} is not one of [${choices.map((choice) => quoted(String(choice))).join(", ")}]`;
  }
  if (isEmpty(value) && ["minItems", "minLength", "minProperties"].some((key) => key in field)) {
    return `${short(value)} should be non-empty`;
  }
  if (value instanceof Numeral) return outside(field, value);
  const items = field["items"];
  if (isList(value) && typeof items === "object" && items !== null) {
    for (const item of value) {
      const inner = complaint(items as FieldInfo, item);
      if (inner) return inner;
    }
  }
  return "";
}

function outside(field: FieldInfo, value: Numeral): string {
  const { exclusiveMinimum: above, minimum: least, maximum: most } = field;
  if (typeof above === "number" && value.value <= above) return `${repr(value)} is less than or equal to the minimum of ${general(above)}`;
  if (typeof least === "number" && value.value < least) return `${repr(value)} is less than the minimum of ${general(least)}`;
  if (typeof most === "number" && value.value > most) return `${repr(value)} is greater than the maximum of ${general(most)}`;
  return "";
}

function isOf(value: Exact, type: string): boolean {
  switch (type) {
    case "number":
      return value instanceof Numeral && isNumber(value.text);
    case "integer":
      return value instanceof Numeral && isNumber(value.text) && (isInteger(value.text) || Number.isInteger(value.value));
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    case "array":
      return isList(value);
    case "object":
      return isDict(value);
    default:
      return true;
  }
}

function isEmpty(value: Exact): boolean {
  return value === "" || (isList(value) && value.length === 0) || (isDict(value) && value.entries.length === 0);
}

function mend(value: Exact, type: string): string {
  if ((type === "number" || type === "integer") && typeof value === "string" && isNumber(value.trim())) {
    return `; write ${value.trim()} without quotes`;
  }
  return value === null ? "; give a value or leave the key out" : "";
}

function short(value: Exact): string {
  const text = repr(value);
  return text.length <= 160 ? text : `${text.slice(0, 159)}…`;
}

/** Python's `:g`. */
function general(value: number): string {
  const [mantissa = "", power = "0"] = value.toExponential(5).split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return String(Number(value.toPrecision(6)));
  const sign = exponent < 0 ? "-" : "+";
  return `${Number(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

// -- the sweep ---------------------------------------------------------------------------------------------------------------

function checkSweep(config: Exact, forms: Forms): Problem[] {
  const problems: Problem[] = [];
  for (const [key, field] of Object.entries(forms.sweep)) {
    if (key === "parameters") continue;
    const value = at(config, [key]);
    if (value === undefined) {
      if (field.required) problems.push({ path: key, message: `'${key}' is a required property` });
      continue;
    }
    const message = complaint(field, value);
    if (message) problems.push({ path: key, message });
  }
  if (at(config, ["method"]) === "bayes" && at(config, ["metric"]) === undefined) {
    problems.push({ path: "metric", message: 'Bayesian search requires "metric" section' });
  }
  return problems;
}

function checkMetric(config: Exact, forms: Forms): Problem[] {
  const metric = at(config, ["metric"]);
  return isDict(metric) ? checkFields(metric, forms.metric, ["metric"]) : [];
}

function checkStopping(config: Exact, forms: Forms): Problem[] {
  const section = at(config, ["early_terminate"]);
  const type = at(section, ["type"]);
  if (!isDict(section) || typeof type !== "string") return [];
  const known = forms.stopping[type];
  if (!known) return [];
  const problems = checkFields(section, known.fields, ["early_terminate"]);
  if (known.needs_metric && at(config, ["metric"]) === undefined) {
    problems.push({ path: "early_terminate", message: 'early terminate requires "metric" section' });
  }
  return problems;
}

function checkFields(section: Dict, fields: { readonly [key: string]: FieldInfo }, keys: Keys, of = ""): Problem[] {
  const where = keys.join(".");
  const problems: Problem[] = [];
  for (const [key, field] of Object.entries(fields)) {
    const value = section.get(key);
    if (value !== undefined) {
      const message = complaint(field, value);
      if (message) problems.push({ path: `${where}.${key}`, message });
    } else if (field.required) {
      problems.push({ path: where, message: `'${key}' is a required property${of}` });
    }
  }
  return problems;
}

// -- parameters --------------------------------------------------------------------------------------------------------------

function checkSpace(config: Exact, forms: Forms): Problem[] {
  const section = at(config, ["parameters"]);
  if (section === undefined) return [{ path: "parameters", message: "'parameters' is a required property" }];
  if (isEmpty(section)) return [{ path: "parameters", message: "{} should be non-empty; name at least one parameter" }];
  const grid = at(config, ["method"]) === "grid";
  return rows(config).flatMap((row) => checkRow(row, forms, grid));
}

function checkRow(row: Row, forms: Forms, grid: boolean): Problem[] {
  const path = row.keys.join(".");
  const { spec } = row;
  if (!isDict(spec)) return [{ path, message: `Invalid configuration for hyperparameter '${row.name}'` }];
  if (row.kind === GROUP) {
    return isEmpty(at(spec, ["parameters"]) ?? "") ? [{ path: `${path}.parameters`, message: "{} should be non-empty; name at least one parameter" }] : [];
  }
  const known = forms.distributions[row.kind];
  if (!known) return [{ path, message: row.kind ? `${quoted(row.kind)} is not a distribution` : "needs value, values, min and max, or parameters" }];
  const problems = checkFields(spec, known.fields, row.keys, ` of ${row.kind}`);
  if (problems.length === 0) problems.push(...contradictions(row.name, spec, path));
  if (grid && !known.grid) {
    problems.push({ path, message: `Parameter ${row.path.join(".")} is a disallowed type with grid search. Grid search requires all parameters to be categorical, constant, int_uniform, or q_uniform.` });
  }
  return problems;
}

function contradictions(name: string, spec: Dict, path: string): Problem[] {
  const [low, high] = [spec.get("min"), spec.get("max")];
  if (low instanceof Numeral && high instanceof Numeral) {
    if (low.value >= high.value) {
      return [{ path: `${path}.max`, message: `must be greater than min (${low.text}); ${name}: min ${low.text} is not less than max ${high.text}` }];
    }
    if (!spec.has("distribution") && isInteger(low.text) !== isInteger(high.text)) {
      return [{ path, message: `Parameter ${name} is ambiguous, please specify bounds as both floats (for a float_uniform distribution) or ints (for an int_uniform distribution).` }];
    }
  }
  const [values, chances] = [spec.get("values"), spec.get("probabilities")];
  if (!isList(values) || !isList(chances)) return [];
  if (values.length !== chances.length) {
    return [{ path: `${path}.probabilities`, message: `Parameter ${name}: values ${short(values)} and probabilities ${short(chances)} are not the same length: ${values.length} values, ${chances.length} probabilities` }];
  }
  const total = chances.reduce<number>((sum, item) => sum + (item instanceof Numeral ? item.value : NaN), 0);
  if (Math.abs(total - 1) <= 1e-8 + 1e-5) return [];
  return [{ path: `${path}.probabilities`, message: `Parameter ${name}: Probabilities ${short(chances)} do not sum to 1; they sum to ${general(total)}` }];
}

// -- which problem belongs where --------------------------------------------------------------------------------------------

/** Problems at a place, and (unless `exact`) below it as far as no deeper place of `others` claims them. */
export function problemsAt(problems: readonly Problem[], place: string, others: readonly string[] = []): Problem[] {
  return problems.filter(({ path }) => {
    if (path === place) return true;
    if (!path.startsWith(`${place}.`)) return false;
    return !others.some((other) => other.length > place.length && (path === other || path.startsWith(`${other}.`)));
  });
}
