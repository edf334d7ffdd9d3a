/** Buttons that ask the kernel for something, and say how far it got: sent, heard, done. */

import { useSignal, type ReadonlySignal } from "@preact/signals";
import type { ComponentChildren, VNode } from "preact";
import type { Connection, Pending } from "../connection";
import type { Commands } from "../protocol";
import type { State } from "../state";
import { STRINGS } from "../strings";
import { Icon, type IconName } from "./icons";

/** Why a command would be refused; "" if nothing is known against it. */
export function reasonAgainst(state: State, command: keyof Commands): string {
  if (state.mute.value) return STRINGS.link.nobody;
  return state.denied.value[command] ?? "";
}

export interface OrderState<C extends keyof Commands> {
  /** "" while nothing is under way. */
  readonly status: "" | "sent" | "acked";
  readonly last: ReadonlySignal<Pending<C> | null>;
  give(args: Commands[C]): void;
}

/** The latest order of a kind that this component gave. */
export function useOrder<C extends keyof Commands>(connection: Connection, command: C): OrderState<C> {
  const last = useSignal<Pending<C> | null>(null);
  const status = last.value?.status.value ?? "";
  const give = (args: Commands[C]) => {
    last.value = connection.command(command, args);
  };
  return { status: status === "sent" || status === "acked" ? status : "", last, give };
}

interface OrderButtonProps<C extends keyof Commands> {
  connection: Connection;
  command: C;
  args: () => Commands[C];
  label: string;
  /** While it is under way: "Pausing…". */
  doing: string;
  icon?: IconName;
  /** The label is only for screen readers. */
  iconOnly?: boolean;
  className?: string;
  testid?: string;
  /** Why it cannot be done, beyond what the kernel says. */
  disabled?: string;
  title?: string;
  tabIndex?: number;
}

export function OrderButton<C extends keyof Commands>(props: OrderButtonProps<C>): VNode {
  const { connection, command, label, doing, icon, iconOnly = false, className = "", testid, title } = props;
  const order = useOrder(connection, command);
  const reason = props.disabled || reasonAgainst(connection.state, command);
  const waiting = order.status !== "";
  const click = () => {
    if (!reason && !waiting) order.give(props.args());
  };
  return (
    <button
      type="button"
      class={`sw-button ${iconOnly ? "sw-button-icon" : ""} ${className}`}
      data-testid={testid}
      data-status={order.status || undefined}
      aria-disabled={reason || waiting ? true : undefined}
      aria-busy={waiting || undefined}
      aria-label={iconOnly ? label : undefined}
      title={waiting ? underway(order.status) : reason || title || (iconOnly ? label : undefined)}
      tabIndex={props.tabIndex}
      onClick={click}
    >
      {waiting ? <span class="sw-underway" data-status={order.status} aria-hidden="true" /> : icon && <Icon name={icon} />}
      {!iconOnly && <span>{label}</span>}
      {waiting && <span class="sw-sr">{doing}</span>}
    </button>
  );
}

function underway(status: "" | "sent" | "acked"): string {
  return status === "sent" ? STRINGS.order.sent : STRINGS.order.acked;
}

/** One of several labels, in the room of the longest: what changes its words does not change its place. */
export function Labels({ now, labels }: { now: number; labels: readonly ComponentChildren[] }): VNode {
  return (
    <span class="sw-labels">
      {labels.map((label, i) => (
        <span key={i} class={i === now ? "" : "sw-unseen"} aria-hidden={i === now ? undefined : true}>
          {label}
        </span>
      ))}
    </span>
  );
}
