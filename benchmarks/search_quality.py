"""How good is `method: bayes`? Sweeps of known problems, by every search library that can be imported, side by side.

    python -m benchmarks search                                   # everything importable, 5 seeds, one at a time
    python -m benchmarks search --agents 8 --runs 64 --seeds 10
    python -m benchmarks search --peers sweepwidget optuna-tpe --problems branin hartmann6 svc_digits
    python -m benchmarks search --save one.npz                    # … and keep the regrets
    python -m benchmarks search --load one.npz --picture one.svg  # report again, draw (needs matplotlib)

Prints, after some numbers of finished runs, the median normalised regret per problem (0: the optimum, 1: the median of
random configurations, not less than 0.001), its geometric mean over problems, and the mean rank (1: best) over problems
and seeds. Then, for each peer: on how many problems sweepwidget's mean log regret is smaller or larger, Wilcoxon's
signed-rank test of that difference over problems, and how many runs sweepwidget needs for the peer's last result. With
agents > 1 that many runs are in flight, and their durations differ. Noise is added to what a searcher is told and left
out of what is judged. BLAS is held to one thread.
"""

from __future__ import annotations

import argparse
import heapq
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from attrs import frozen
from scipy.stats import wilcoxon

from .measure import Row
from .problems import PROBLEMS
from .search_peers import PEERS, importable
from .tables import TABLES, table

FLOOR = 1e-3
NAMES = {
    "optuna-gp": "Optuna GP",
    "optuna-tpe": "Optuna TPE",
    "wandb": "W&B",
    "hyperopt": "Hyperopt",
    "random": "random",
}
"""As the tables have them."""


def problem_of(name):
    return table(name) if name in TABLES else PROBLEMS[name]


def typical(problem, n=1000):
    """The median cost of random configurations."""
    space, rng = problem.sweep("random").space, np.random.default_rng(0)
    return float(np.median([problem.cost(space.nest(space.sample(rng))) for _ in range(n)]))


def play(peer, name, seed, n, agents):
    """The best true cost after each of n finished runs, shape (n,), and the CPU time of a suggestion in ms."""
    problem = problem_of(name)
    searcher, rng = PEERS[peer][0](problem, seed), np.random.default_rng([seed, 1])
    clock, spent, working, costs, asked = 0.0, 0.0, [], [], 0
    while len(costs) < n:
        while len(working) < agents and asked < n:
            start = time.process_time()
            found = searcher.ask()
            spent += time.process_time() - start
            if found is None:
                asked = n
                break
            heapq.heappush(working, (clock + rng.uniform(0.5, 1.5), asked, *found))
            asked += 1
        if not working:
            break
        clock, _, token, config = heapq.heappop(working)
        costs.append(problem.cost(config))
        searcher.tell(token, float(costs[-1] + problem.noise * rng.standard_normal()))
    best = np.minimum.accumulate(costs)
    regret = (best - problem.best) / (typical(problem) - problem.best)
    padded = np.append(regret, np.full(n - len(regret), regret[-1]))
    return np.maximum(padded, FLOOR), 1e3 * spent / max(len(costs), 1)


def compare(peers, problems, seeds, n, agents, workers):
    """Regrets, shape (peers, problems, seeds, n), and milliseconds per suggestion, shape (peers, problems, seeds)."""
    regrets = np.empty((len(peers), len(problems), seeds, n))
    spent = np.empty(regrets.shape[:-1])
    with ProcessPoolExecutor(workers) as pool:
        jobs = {
            pool.submit(play, peer, name, seed, n, agents): (i, j, seed)
            for seed in range(seeds)
            for j, name in enumerate(problems)
            for i, peer in enumerate(peers)
        }
        for done, job in enumerate(as_completed(jobs), 1):
            regrets[jobs[job]], spent[jobs[job]] = job.result()
            print(f"\r{done} of {len(jobs)} sweeps", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return regrets, spent


def ranks(regrets):
    """Mean rank of each peer, ties sharing theirs; regrets have shape (peers, problems, seeds)."""
    better = (regrets[:, None] > regrets[None]).sum(axis=1)
    equal = (regrets[:, None] == regrets[None]).sum(axis=1)
    return (better + (equal + 1) / 2).mean(axis=(1, 2))


def report(peers, problems, regrets, spent, checkpoints):
    by_rank = [ranks(regrets[..., n - 1]) for n in checkpoints]
    medians = np.median(regrets[..., -1], axis=2)
    head = [*problems, "geo-mean", *(f"rank@{n}" for n in checkpoints), "ms"]
    widths = [max(9, len(title) + 1) for title in head]
    print(" " * 12 + "".join(title.rjust(width) for title, width in zip(head, widths, strict=True)))
    for i in np.argsort(by_rank[-1]):
        cells = [f"{value:.4f}" if value > FLOOR else "<.001" for value in medians[i]]
        cells += [f"{np.exp(np.log(medians[i]).mean()):.4f}", *(f"{rank[i]:.2f}" for rank in by_rank)]
        cells += [f"{np.median(spent[i]):.1f}"]
        print(peers[i].ljust(12) + "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)))


def told(peers, problems, regrets, spent, agents, path):
    """Print all of it, and draw it if there is a path."""
    *_, seeds, n = regrets.shape
    print(f"\nmedian regret after {n} runs, {agents} in flight, {seeds} seeds")
    report(peers, problems, regrets, spent, sorted({k for k in (20, 40) if k < n} | {n}))
    if "sweepwidget" in peers:
        against(peers, regrets)
    if path:
        draw(path, peers, regrets, agents)


@frozen
class Beside:
    """sweepwidget beside a peer."""

    better: int
    """On so many problems sweepwidget's mean log regret is smaller …"""
    worse: int
    """… or larger; ties at the floor are neither."""
    p: float
    """Wilcoxon's signed-rank test of the difference, over problems."""
    needed: tuple[float, float, float]
    """Runs with which sweepwidget reaches the peer's last result: median and quartiles over problems and seeds."""


def beside(peers, regrets):
    """Peer → how sweepwidget does beside it."""
    mine, logs = peers.index("sweepwidget"), np.log10(regrets[..., -1]).mean(axis=2)
    return {peer: _beside(regrets[mine], regrets[i], logs[mine] - logs[i]) for i, peer in enumerate(peers) if i != mine}


def _beside(ours, theirs, difference):
    p = wilcoxon(difference).pvalue if np.count_nonzero(difference) else 1.0
    reached = ours <= theirs[:, :, -1:]
    needed = np.where(reached.any(axis=2), reached.argmax(axis=2) + 1, np.inf)
    quartiles = np.percentile(needed, [50, 25, 75], method="nearest")
    return Beside(int((difference < 0).sum()), int((difference > 0).sum()), float(p), tuple(map(float, quartiles)))


def against(peers, regrets):
    """Print it."""
    print(f"\n{'sweepwidget beside':20}{'better':>8}{'worse':>8}{'p':>10}{'runs for its result':>22}")
    for peer, found in beside(peers, regrets).items():
        quartiles = "median {:.0f} ({:.0f}-{:.0f})".format(*found.needed)
        print(f"{peer:20}{found.better:8}{found.worse:8}{found.p:10.2g}{quartiles:>22}")


def rows_of(peers, problems, regrets, spent, agents):
    """sweepwidget beside every peer."""
    *_, seeds, n = regrets.shape
    mine, early = peers.index("sweepwidget"), min(20, n)
    ranked, soon = ranks(regrets[..., -1]), ranks(regrets[..., early - 1])
    means = np.exp(np.log(np.median(regrets[..., -1], axis=2)).mean(axis=1))
    where = f"{len(problems)} problems, {'one at a time' if agents == 1 else f'{agents} in flight'}"
    best = min((rank for i, rank in enumerate(ranked) if i != mine), default=0.0)  # who is before this one is first
    rows = []
    for peer, found in beside(peers, regrets).items():
        i, name = peers.index(peer), NAMES[peer]
        told = f"{seeds} seeds; better on {found.better} problems, worse on {found.worse}, p = {found.p:.2g}"
        is_wandb = peer == "wandb"
        rows += [
            Row(f"mean rank after {n} runs, {where}", float(ranked[mine]), "", name, float(ranked[i]), "< 1×" if ranked[i] == best else ""),
            Row(f"regret after {n} runs, geometric mean, {where}", float(means[mine]), "", name, float(means[i]), "≤ 0.3×" if is_wandb else "", note=told),
            Row(f"runs for the peer's result of {n} runs, {where}", found.needed[0], "runs", name, n, "≤ 30 runs" if is_wandb and agents == 1 else ""),
        ]  # fmt: skip
        if early < n:
            aim = "≤ 1×" if is_wandb else ""
            rows.append(Row(f"mean rank after {early} runs, {where}", float(soon[mine]), "", name, float(soon[i]), aim))
        if peer != "random":
            ours, theirs = (float(np.median(spent[k])) for k in (mine, i))
            rows.append(Row(f"CPU time of a suggestion, {where}", ours, "ms", name, theirs))
    return sorted(rows, key=lambda row: [*dict.fromkeys(row.what for row in rows)].index(row.what))


def draw(path, peers, regrets, agents):
    """The geometric mean over problems of the median regret, by finished runs."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "sweepwidget"  # the same picture from the same numbers
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    curves = np.exp(np.log(np.median(regrets, axis=2)).mean(axis=1))
    for i in np.argsort(curves[:, -1]):
        mine = peers[i] == "sweepwidget"
        axes.semilogy(
            np.arange(1, curves.shape[1] + 1),
            curves[i],
            label=peers[i],
            lw=2.5 if mine else 1.3,
            zorder=3 if mine else 2,
        )
    axes.set(
        xlabel="finished runs",
        ylabel="regret (0: optimum, 1: median random)",
        title=f"{agents} in flight",
        xlim=(1, None),
    )
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=importable())
    parser.add_argument("--problems", nargs="+", choices=[*PROBLEMS, *TABLES], default=[*PROBLEMS, *TABLES])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--save", metavar="FILE", help="keep the regrets")
    parser.add_argument("--load", metavar="FILE", help="report what was kept")
    parser.add_argument("--picture", metavar="FILE")
    given = parser.parse_args()
    if given.load:
        with np.load(given.load) as kept:
            peers, problems, agents = kept["peers"].tolist(), kept["problems"].tolist(), int(kept["agents"])
            regrets, spent = kept["regrets"], kept["spent"]
        keep = [problems.index(name) for name in problems if name in given.problems]
        told(peers, [problems[i] for i in keep], regrets[:, keep], spent[:, keep], agents, given.picture)
        return []  # measured another day
    for name in set(given.problems) & set(TABLES):
        table(name)  # built once, before the workers need it
    regrets, spent = compare(given.peers, given.problems, given.seeds, given.runs, given.agents, given.workers)
    if given.save:
        np.savez(
            given.save, regrets=regrets, spent=spent, peers=given.peers, problems=given.problems, agents=given.agents
        )
    told(given.peers, given.problems, regrets, spent, given.agents, given.picture)
    if "sweepwidget" not in given.peers:
        return []
    return rows_of(given.peers, given.problems, regrets, spent, given.agents)
