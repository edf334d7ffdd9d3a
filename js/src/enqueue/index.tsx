/** A run by hand: one configuration as a form, put at the head of the queue. A dialog in the top layer. */

import { useSignal, useSignalEffect, type Signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { problemsAt } from "../config/check";
import { fromJson, toJson } from "../config/exact";
import { Problems } from "../config/parameters";
import { showValue } from "../config/values";
import { Select } from "../fields/select";
import { TextField } from "../fields/textfield";
import { marked } from "../json";
import { PANEL_STRINGS } from "../panelstrings";
import type { Config, ParameterInfo, Problem } from "../protocol";
import { configOf } from "../runs/actions";
import { Icon } from "../ui/icons";
import { Labels, reasonAgainst, useOrder } from "../ui/order";
import { configFrom, doubtOf, middle, typedOf, type Typed } from "./form";
import { useUniqueId } from "../ui/ids";

const S = PANEL_STRINGS.enqueue;

/** What was typed and not sent: closing the dialog loses nothing. By what it started from. */
const drafts = new WeakMap<Connection, Map<string, Typed>>();

function draftsOf(connection: Connection): Map<string, Typed> {
  let known = drafts.get(connection);
  if (!known) drafts.set(connection, (known = new Map()));
  return known;
}

/** Shown while `state.variant` has something to start from. */
export function Enqueue({ connection }: { connection: Connection }): VNode | null {
  const start = connection.state.variant.value;
  return start === null ? null : <Form key={JSON.stringify(start)} connection={connection} start={start} />;
}

function Form({ connection, start }: { connection: Connection; start: Config }): VNode {
  const { state } = connection;
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useUniqueId();
  const infos = state.sweep.value?.parameters ?? [];
  const given = Object.keys(start).length > 0 ? start : startOf(connection, infos);
  const draft = JSON.stringify(start);
  const typed = useSignal<Typed>(draftsOf(connection).get(draft) ?? typedOf(given, infos));
  useSignalEffect(() => void draftsOf(connection).set(draft, typed.value));
  const order = useOrder(connection, "enqueue");
  const close = () => {
    state.variant.value = null;
  };
  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element || element.open) return undefined;
    const before = document.activeElement;
    element.showModal?.();
    element.querySelector<HTMLElement>(".sw-enqueue-fields :is(input, select)")?.focus();
    return () => {
      element.close?.();
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, []);
  const searched = infos.filter((info) => !info.constant);
  const constants = infos.filter((info) => info.constant);
  const fatal = searched.some((info) => doubtOf(typed.value[info.column] ?? "", info)?.fatal);
  const against = state.sweep.value === null ? S.none : reasonAgainst(state, "enqueue");
  const waiting = order.status !== "";
  const done = order.last.value?.status.value === "done";
  if (done) draftsOf(connection).delete(draft);
  const refused = order.last.value?.refused.value ?? null;
  const problems = refused?.problems ?? [];
  const submit = () => {
    if (against || waiting || fatal) return;
    order.give({ config: marked(toJson(configFrom(typed.peek(), infos))) as Config });
  };
  const unplaced = problems.filter(({ path }) => !searched.some((info) => path === placeOf(info) || path.startsWith(`${placeOf(info)}.`)));
  return (
    <dialog ref={dialog} class="sw-dialog sw-enqueue" aria-labelledby={titleId} data-testid="sw-enqueue" onClose={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <header class="sw-toolbar">
          <h3 id={titleId}>{S.title}</h3>
          <span class="sw-space" />
          <Starts connection={connection} infos={infos} typed={typed} />
          <button type="button" class="sw-button sw-button-icon sw-quiet" aria-label={S.cancel} title={S.cancel} onClick={close}>
            <Icon name="close" />
          </button>
        </header>
        <div class="sw-enqueue-fields">
          {searched.map((info) => (
            <Field key={info.column} info={info} typed={typed} given={given} infos={infos} problems={problemsAt(problems, placeOf(info))} />
          ))}
        </div>
        {constants.length > 0 && (
          <p class="sw-hint">
            {S.constants}: {constants.map((info) => `${info.path.join(".")} = ${showValue(fromJson(info.values?.[0] ?? null))}`).join(", ")}
          </p>
        )}
        <Problems problems={unplaced} />
        {refused && problems.length === 0 && (
          <p class="sw-problem" role="alert" data-testid="sw-error">
            <Icon name="alert" /> {refused.message}
          </p>
        )}
        <footer class="sw-toolbar">
          <span class="sw-hint" role="status">
            {done ? S.added("") : against || (order.last.value?.late.value ? PANEL_STRINGS.figures.busy.replace(/;.*/, "") : "")}
          </span>
          <span class="sw-space" />
          <button type="button" class="sw-button" onClick={close}>
            {S.cancel}
          </button>
          <button
            type="submit"
            class="sw-button sw-primary"
            data-testid="sw-enqueue-add"
            data-status={order.status || undefined}
            aria-busy={waiting || undefined}
            aria-disabled={against || waiting || fatal ? true : undefined}
            title={against || undefined}
          >
            <Labels now={waiting ? 1 : 0} labels={[S.add, S.adding]} />
          </button>
        </footer>
      </form>
    </dialog>
  );
}

function placeOf(info: ParameterInfo): string {
  return `parameters.${info.path.join(".parameters.")}`;
}

interface FieldProps {
  readonly info: ParameterInfo;
  readonly typed: Signal<Typed>;
  readonly given: Config;
  readonly infos: readonly ParameterInfo[];
  readonly problems: readonly Problem[];
}

function Field({ info, typed, given, infos, problems }: FieldProps): VNode {
  const id = useUniqueId();
  const text = typed.value[info.column] ?? "";
  const doubt = doubtOf(text, info);
  const changed = text !== (typedOf(given, infos)[info.column] ?? "");
  const set = (value: string) => {
    typed.value = { ...typed.peek(), [info.column]: value };
  };
  const choices = info.ordinal && info.distribution !== "categorical" ? null : (info.values ?? null);
  const name = info.path.join(".");
  return (
    <div class="sw-enqueue-field" data-testid="sw-enqueue-field" data-name={name}>
      <label for={id}>{name}</label>
      {choices ? (
        <Select
          id={id}
          label={name}
          value={text}
          choices={[...(text === "" ? [["", "–"] as const] : []), ...choices.map((choice) => [showValue(fromJson(choice)), showValue(fromJson(choice))] as const)]}
          onChoose={set}
        />
      ) : (
        <TextField id={id} label={name} numeric={info.ordinal} value={text} width={12} invalid={doubt?.fatal ?? false} describedBy={`${id}-doubt`} onLive={set} onCommit={set} />
      )}
      <span class="sw-hint" id={`${id}-doubt`}>
        {doubt ? doubt.message : changed ? S.differs : ""}
      </span>
      <Problems problems={problems} />
    </div>
  );
}

/** Where else to start from: the best run, the latest, the middle of the space. */
function Starts({ connection, infos, typed }: { connection: Connection; infos: readonly ParameterInfo[]; typed: Signal<Typed> }): VNode {
  const { state } = connection;
  const best = state.best.value?.config;
  const last = latest(connection);
  const choices: (readonly [string, string])[] = [["", S.start], ...(best ? [["best", S.best] as const] : []), ...(last ? [["last", S.last] as const] : []), ["middle", S.middle]];
  const choose = (which: string) => {
    const config = which === "best" ? best : which === "last" ? last : which === "middle" ? middle(infos) : null;
    if (config) typed.value = typedOf(config, infos);
  };
  return <Select label={S.start} value="" choices={choices} onChoose={choose} />;
}

function startOf(connection: Connection, infos: readonly ParameterInfo[]): Config {
  return connection.state.best.peek()?.config ?? latest(connection) ?? middle(infos);
}

function latest(connection: Connection): Config | null {
  const { runs } = connection.state;
  if (runs.size === 0) return null;
  const number = runs.column("number");
  let row = 0;
  for (let i = 1; i < runs.size; i += 1) if (Number(number(i)) > Number(number(row))) row = i;
  return configOf(runs, runs.id(row));
}
