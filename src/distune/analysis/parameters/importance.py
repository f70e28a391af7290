"""How much each parameter mattered, by two methods, with what each of them leaves out.

fANOVA (Hutter et al., 2014): the share of the variance of a random forest's prediction that a parameter explains
alone. PED-ANOVA (Watanabe et al., 2023): how far the values of the best trials lie from those of all trials.
Both see complete trials only. Beside the parameters stand their shuffled copies: the same values, permuted within each
quarter of the study, so that they have nothing to do with the single scores but share the sampler's concentration and
the rise of the scores with time. What they get is noise. A parameter is named where both methods give it more than any
copy of any parameter got; of 19 draws of all copies, a study without any effect beats the largest in one of 20.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

FEWEST = 10
SMALL = 30
MOST = 1000
MOST_IN_FORESTS = 200
TREES = 16
BEST_SHARE = 0.1
BEST_FEWEST = 5
FORESTS = 5
DRAWS = 19
QUARTERS = 4


@dataclass(frozen=True)
class Share:
    """One parameter's importance; the shares of one method add up to one, with those of one shuffled copy each.

    Attributes:
        parameter: the parameter's name.
        ped_anova: share by PED-ANOVA.
        fanova: mean share over the forests; None for a parameter that fANOVA leaves out.
        fanova_spread: standard deviation of the share over the forests.
    """

    parameter: str
    ped_anova: float
    fanova: float | None
    fanova_spread: float | None


@dataclass(frozen=True)
class Importance:
    """All parameters by importance, and what the numbers rest on.

    Attributes:
        shares: by the mean of the two methods, largest first.
        noise_ped_anova: the largest share that any shuffled copy got by PED-ANOVA in 19 draws.
        noise_fanova: the largest share that any shuffled copy got by fANOVA in five draws, one a forest.
        trials: number of trials used.
        best: number of trials that PED-ANOVA takes for the best.
        left_out: one sentence for each thing that is left out.
    """

    shares: tuple[Share, ...]
    noise_ped_anova: float
    noise_fanova: float
    trials: int
    best: int
    left_out: tuple[str, ...]

    @property
    def above_noise(self) -> list[Share]:
        """Parameters that both methods put above every shuffled copy."""
        return [
            share
            for share in self.shares
            if share.ped_anova > self.noise_ped_anova and (share.fanova or 0.0) > self.noise_fanova
        ]


def importance(study: StudyRecord) -> Importance | Unknown:
    """Computes both importances; needs ten complete trials inside the search space."""
    usable = [trial for trial in study.complete if _inside(trial, study.space)]
    names = [name for name in study.space if len({_key(trial.params.get(name)) for trial in usable}) > 1]
    if len(usable) < FEWEST:
        return Unknown(
            f"Importances need {FEWEST} complete trials in the search space; this study has {len(usable)}."
        )
    if not names:
        return Unknown("All complete trials have the same parameters, so none can matter.")
    trials = _sample(usable, MOST)
    everywhere = [name for name in names if all(name in trial.params for trial in trials)]
    best = max(BEST_SHARE, min(BEST_FEWEST / len(trials), 0.5))
    ped, ped_noise, forests, forest_noise = _both(study, trials, names, everywhere, best)
    shares = [
        Share(
            parameter=name,
            ped_anova=ped[name],
            fanova=float(np.mean(forests[name])) if name in forests else None,
            fanova_spread=float(np.std(forests[name])) if name in forests else None,
        )
        for name in names
    ]
    return Importance(
        shares=tuple(
            sorted(shares, key=lambda share: -(share.ped_anova + (share.fanova or share.ped_anova)))
        ),
        noise_ped_anova=ped_noise,
        noise_fanova=forest_noise,
        trials=len(trials),
        best=int(np.ceil(best * len(trials))),
        left_out=_left_out(study, usable, trials, names, everywhere),
    )


def _inside(trial: TrialRecord, space: Mapping[str, Parameter]) -> bool:
    return all(space[name].holds(value) for name, value in trial.params.items() if name in space)


def _key(value: Any) -> tuple[str, Any]:
    return type(value).__name__, value


def _sample(trials: list[TrialRecord], most: int) -> list[TrialRecord]:
    """So many trials at most, drawn at random: the cost of a forest grows faster than its precision."""
    if len(trials) <= most:
        return trials
    chosen = np.random.default_rng(0).choice(len(trials), most, replace=False)
    return [trials[index] for index in sorted(chosen)]


def _both(
    study: StudyRecord, trials: list[TrialRecord], names: list[str], everywhere: list[str], best: float
) -> tuple[dict[str, float], float, dict[str, list[float]], float]:
    """Shares by PED-ANOVA, the largest share of a shuffled copy; the same by fANOVA, a list over the forests."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rebuilt = _rebuilt(study, trials, names)
        scores = study.sign * np.array([trial.value for trial in trials], dtype=float)
        real = _divergences(rebuilt, names, best, scores)
        # Each parameter is judged by itself, so shuffling the scores is as good as shuffling every parameter.
        noise = [
            _divergences(rebuilt, names, best, scores[_shuffled(len(trials), rng)]) for _ in range(DRAWS)
        ]
        copies = {_copy_of(name): name for name in everywhere}
        forests = [
            get_param_importances(
                _rebuilt(study, _sample(trials, MOST_IN_FORESTS), everywhere, rng),
                evaluator=FanovaImportanceEvaluator(n_trees=TREES, seed=seed),
                params=[*everywhere, *copies],
            )
            for seed in range(FORESTS if everywhere else 0)
        ]
    total = float(real.sum() + np.sum(noise, axis=1).mean()) or 1.0
    ped = {name: float(value / total) for name, value in zip(names, real, strict=True)}
    by_forest = {name: [float(found[name]) for found in forests] for name in everywhere}
    forest_noise = max((float(found[copy]) for found in forests for copy in copies), default=0.0)
    return ped, float(np.max(noise) / total), by_forest, forest_noise


def _divergences(
    rebuilt: optuna.Study, names: list[str], best: float, scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What PED-ANOVA gives each parameter with these scores, of which higher is better; not made to add up to one."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    found = get_param_importances(
        rebuilt,
        evaluator=PedAnovaImportanceEvaluator(target_quantile=best),
        params=names,
        normalize=False,
        target=lambda trial: -float(scores[trial.number]),  # with a target of its own, lower is better
    )
    return np.array([found[name] for name in names])


def _shuffled(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """An order of the trials that is random within each quarter."""
    return np.concatenate([rng.permutation(rows) for rows in np.array_split(np.arange(count), QUARTERS)])


def _copy_of(name: str) -> str:
    return f"{name} (shuffled)"


def _rebuilt(
    study: StudyRecord,
    trials: Sequence[TrialRecord],
    names: list[str],
    rng: np.random.Generator | None = None,
) -> optuna.Study:
    """An Optuna study in memory of these trials, numbers on the search scale; with a generator, also shuffled copies.

    fANOVA weighs a range by its length; on the search scale a learning rate's decades weigh the same.
    """
    import optuna
    from optuna.study import StudyDirection

    distributions = {name: _distribution(study.space[name]) for name in names}
    orders = {} if rng is None else {name: _shuffled(len(trials), rng) for name in names}
    storage = optuna.storages.InMemoryStorage()
    direction = StudyDirection.MAXIMIZE if study.direction == "maximize" else StudyDirection.MINIMIZE
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        opened = storage.create_new_study([direction])
    finally:
        optuna.logging.set_verbosity(verbosity)
    rebuilt = optuna.load_study(study_name=storage.get_study_name_from_id(opened), storage=storage)
    for row, trial in enumerate(trials):
        own = {name: trial.params[name] for name in names if name in trial.params}
        copied = {name: trials[order[row]].params[name] for name, order in orders.items()}
        params = {name: _placed(study.space[name], value) for name, value in own.items()}
        params |= {_copy_of(name): _placed(study.space[name], value) for name, value in copied.items()}
        held = {name: distributions[name] for name in own}
        held |= {_copy_of(name): distributions[name] for name in copied}
        rebuilt.add_trial(optuna.trial.create_trial(value=trial.value, params=params, distributions=held))
    return rebuilt


def _distribution(parameter: Parameter) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if parameter.kind == "categorical":
        return CategoricalDistribution(parameter.choices)
    if (
        parameter.kind == "int"
        and not parameter.log
        and parameter.low is not None
        and parameter.high is not None
    ):
        return IntDistribution(int(parameter.low), int(parameter.high))
    return FloatDistribution(0.0, 1.0)


def _placed(parameter: Parameter, value: Any) -> Any:
    if parameter.kind == "categorical" or (parameter.kind == "int" and not parameter.log):
        return value
    place = parameter.position(value)
    return 0.5 if place is None else min(max(place, 0.0), 1.0)


def _left_out(
    study: StudyRecord,
    usable: list[TrialRecord],
    trials: list[TrialRecord],
    names: list[str],
    everywhere: list[str],
) -> tuple[str, ...]:
    said = []
    ended = {state: len(study.of(state)) for state in ("pruned", "failed", "running")}  # type: ignore[arg-type]
    others = ", ".join(f"{count} {state}" for state, count in ended.items() if count)
    if others:
        said.append(f"Trials that are not complete are left out: {others}.")
    if len(usable) < len(study.complete):
        said.append(
            f"{len(study.complete) - len(usable)} complete trials outside the search space are left out."
        )
    if len(trials) < len(usable):
        said.append(f"Of {len(usable)} trials, {len(trials)} drawn at random are used.")
    if len(trials) > MOST_IN_FORESTS:
        said.append(f"fANOVA uses {MOST_IN_FORESTS} of them, drawn at random.")
    constant = [name for name in study.space if name not in names]
    if constant:
        said.append(
            f"Parameters with one value in all complete trials have no importance: {', '.join(constant)}."
        )
    conditional = [name for name in names if name not in everywhere]
    if conditional:
        said.append(f"fANOVA leaves out parameters that not every trial has: {', '.join(conditional)}.")
    if len(trials) < max(SMALL, 3 * len(names)):
        said.append(
            f"{len(trials)} trials for {len(names)} parameters are few: another study of the same size may "
            "order the parameters differently."
        )
    return tuple(said)
