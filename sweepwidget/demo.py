"""`sweepwidget demo`: a real sweep in under a minute. A small neural network learns the handwritten digits that come with
scikit-learn; Bayesian search chooses, hyperband stops weak runs, two agents work. `train` and `SWEEP` are all there is to it.
"""

from __future__ import annotations

from typing import Any

from .errors import Error
from .progresstext import config_text

SWEEP: dict[str, Any] = {
    "name": "digits",
    "method": "bayes",
    "metric": {"name": "val_loss", "goal": "minimize"},
    "early_terminate": {"type": "hyperband", "min_iter": 3},
    "parameters": {
        "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
        "hidden": {"values": [16, 32, 64, 128]},
        "batch_size": {"values": [16, 32, 64, 128]},
        "alpha": {"distribution": "log_uniform_values", "min": 1e-6, "max": 1e-1},
        "epochs": {"value": 15},
    },
}


def train() -> None:
    """One run: an MLP trained epoch by epoch; what it makes of images it has not seen is logged after each."""
    from sklearn.datasets import load_digits
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    import sweepwidget as wandb

    with wandb.init() as run:
        config = run.config
        x, y = load_digits(return_X_y=True)
        x_train, x_val, y_train, y_val = train_test_split(x / 16, y, test_size=0.3, random_state=0, stratify=y)
        model = MLPClassifier(
            hidden_layer_sizes=(config.hidden,),
            learning_rate_init=config.learning_rate,
            alpha=config.alpha,
            batch_size=config.batch_size,
            random_state=0,
        )
        for _ in range(config.epochs):
            model.partial_fit(x_train, y_train, classes=range(10))
            chances = model.predict_proba(x_val)
            run.log(
                {
                    "val_loss": log_loss(y_val, chances, labels=range(10)),
                    "val_accuracy": (chances.argmax(axis=1) == y_val).mean(),
                }
            )


def main(runs: int = 20, agents: int = 2, again: str = "sweepwidget ls") -> None:
    """Run the demo and print its best configuration; `again` is what shows the sweep later."""
    import sweepwidget as wandb

    print(
        "A small neural network learns to read digits: 1797 images, and four hyperparameters to choose.\n"
        f"{runs} runs by Bayesian search, {agents} at a time; hyperband stops those that fall behind."
    )
    sweep_id = wandb.sweep({**SWEEP, "run_cap": runs})
    wandb.agent(sweep_id, function=train, agents=agents)
    sweep = wandb.Api().sweep(sweep_id)
    best = sweep.best_run()
    if best is None:
        raise Error(f"no run of the demo came to a result; look at: {again}")
    chosen = {name: best.config[name] for name, given in SWEEP["parameters"].items() if "value" not in given}
    print(
        f"\nBest: {best.name} reads {best.summary['val_accuracy']:.1%} of the digits it has not seen "
        f"(val_loss {best.summary['val_loss']:.4f}), with\n"
        f"  {config_text(chosen)}\n\n"
        f"The sweep is kept; look at it again with: {again}\n"
        f"Its configuration and its training function are in {__file__}"
    )
