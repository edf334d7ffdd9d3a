"""What the benchmarks of faults share: real processes that are killed and frozen, ledgers outside every store, and a judge."""
