/** Where a sweep begins from nothing: three parameters that work with any training function that takes them. */

import { readDict } from "./literal";
import type { Dict } from "./exact";

export const EXAMPLE: Dict = readDict(`{
  "method": "random",
  "metric": {"name": "loss", "goal": "minimize"},
  "run_cap": 20,
  "parameters": {
    "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
    "batch_size": {"values": [16, 32, 64]},
    "dropout": {"min": 0.0, "max": 0.5}
  }
}`);
