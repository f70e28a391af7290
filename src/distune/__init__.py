"""Distune: distil an image + text teacher into a small student, tune both, and prove the gain.

Every name below is imported when it is first used, so `import distune` is fast and brings no torch.

Example:
    >>> import distune
    >>> config = distune.Config().replace(**{"data.reader": "demo", "student.epochs": 3})
    >>> config.student.epochs
    3
    >>> run = distune.train(config)  # doctest: +SKIP
    >>> run.predictor().predict("scan.png", "CT of the chest")  # doctest: +SKIP
    >>> study = distune.tune(config, n_trials=20)  # doctest: +SKIP
    >>> distune.confirm(study).recommended  # doctest: +SKIP
"""

from distune.utils.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from distune.api.confirmations import Confirmation, confirm
    from distune.api.data import audit, check, init, split
    from distune.api.sources import load
    from distune.api.students import Run, evaluate, export, mistakes, train
    from distune.api.studies import Study, compare, tune
    from distune.config import Config, load_config
    from distune.data import Table, read_table
    from distune.errors import ConfigError, DataError, UserError
    from distune.prediction.predictor import Predictor
    from distune.training.callbacks import Callback, EpochRecord, StopTraining

__version__ = "0.1.0"

__all__ = [
    "Callback",
    "Config",
    "ConfigError",
    "Confirmation",
    "DataError",
    "EpochRecord",
    "Predictor",
    "Run",
    "StopTraining",
    "Study",
    "Table",
    "UserError",
    "__version__",
    "audit",
    "check",
    "compare",
    "confirm",
    "evaluate",
    "export",
    "init",
    "load",
    "load_config",
    "mistakes",
    "read_table",
    "split",
    "train",
    "tune",
]

_MODULES = {
    "distune.api.confirmations": ("Confirmation", "confirm"),
    "distune.api.data": ("audit", "check", "init", "split"),
    "distune.api.sources": ("load",),
    "distune.api.studies": ("Study", "compare", "tune"),
    "distune.api.students": ("Run", "evaluate", "export", "mistakes", "train"),
    "distune.config": ("Config", "load_config"),
    "distune.data": ("Table", "read_table"),
    "distune.errors": ("ConfigError", "DataError", "UserError"),
    "distune.prediction.predictor": ("Predictor",),
    "distune.training.callbacks": ("Callback", "EpochRecord", "StopTraining"),
}


def __dir__() -> list[str]:
    """Names that are not imported yet, too: an interpreter completes them."""
    return sorted({*globals(), *__all__})


__getattr__ = lazy_names(__name__, {name: module for module, names in _MODULES.items() for name in names})
