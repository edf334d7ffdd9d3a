/** Made-up training: what a run of a configuration would log. Deterministic, so that pictures are the same every time. */

import type { Config } from "../src/protocol";

export const STEPS = 200;

/** Numbers from 0 to 1 that only the seed decides. */
export function random(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4294967296;
  };
}

export function drawn(number: number): Config {
  const next = random(number + 17);
  return {
    lr: Number((10 ** (-4 + 3 * next())).toPrecision(4)),
    batch_size: [16, 32, 64, 128][Math.floor(next() * 4)] as number,
    optimizer: {
      name: ["adam", "sgd", "rmsprop"][Math.floor(next() * 3)] as string,
      momentum: Number((0.8 + 0.19 * next()).toFixed(3)),
    },
    dropout: Number((0.5 * next()).toFixed(3)),
    layers: 1 + Math.floor(next() * 5),
    augment: next() > 0.5,
    dataset: "digits",
  };
}

/** How good a configuration is in the end: the loss that its curve falls to. */
export function floorOf(config: Config, number: number): number {
  const lr = Math.log10(config["lr"] as number);
  const dropout = config["dropout"] as number;
  const layers = config["layers"] as number;
  const penalty = 0.12 * (lr + 2.6) ** 2 + 0.25 * (dropout - 0.18) ** 2 + 0.012 * (layers - 3) ** 2;
  return 0.062 + penalty + 0.01 * random(number)();
}

export interface Logged {
  loss: number;
  val_loss: number;
  accuracy: number;
}

export function logged(config: Config, number: number, step: number): Logged {
  const bottom = floorOf(config, number);
  const noise = random(number * 7919 + step);
  const speed = 12 + 300 * Math.abs((config["lr"] as number) - 0.004);
  const decay = Math.exp(-step / speed);
  const rough = 1 + 0.09 * (noise() - 0.5);
  const loss = (bottom * 0.8 + (1.9 - bottom) * decay) * rough;
  const valLoss = (bottom + (1.9 - bottom) * decay * 0.9 + (step / STEPS) ** 2 * 0.02 * (config["layers"] as number)) * (1 + 0.13 * (noise() - 0.5));
  return { loss, val_loss: valLoss, accuracy: Math.max(0, Math.min(0.999, 1 - valLoss * 0.35)) };
}
