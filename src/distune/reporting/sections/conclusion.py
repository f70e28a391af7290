"""The closing: what the study showed, in words; its numbers stand above."""

from __future__ import annotations

from collections.abc import Iterator

from distune.analysis.findings import Findings
from distune.reporting import verdicts
from distune.reporting.document import Section, paragraph
from distune.utils.text import counted

GAINS = {"better": "improved the score", "worse": "made the score worse"}
UNDECIDED = "a gain that these data can show"


def section(findings: Findings) -> Section:
    """Three or four sentences."""
    return Section("Conclusion", (paragraph(" ".join(_sentences(findings))),))


def _sentences(findings: Findings) -> Iterator[str]:
    numbers, best = verdicts.current(findings), findings.ranking.best
    if best is None:
        yield "No trial is complete, so the study shows nothing yet."
    elif findings.study.is_foreign:
        yield f"Trial {best.number} has the best score of the {findings.study.called}."
        yield f"Whether it would be the best again, and on new cases, this {findings.study.called} cannot show."
    elif numbers is None:
        yield f"Trial {best.number} leads the search, but nothing about it is confirmed."
        yield (
            "Its score is of one training, picked among many on the examples that it is evaluated on; expect "
            "less on new cases."
        )
        yield "Confirmation answers what is left open: how good it is, and whether tuning and distillation helped."
    else:
        yield from _confirmed(findings, numbers)


def _confirmed(findings: Findings, numbers: verdicts.Numbers) -> Iterator[str]:
    chosen = verdicts.named(numbers, verdicts.recommended(numbers))
    gain = verdicts.gain_over_base(numbers)
    is_shown = chosen == "the base config" or (gain is not None and gain["verdict"] in verdicts.ANSWERS)
    yield f"Use {chosen}{'' if is_shown else ', as the better bet: that it beats the base config is not shown'}."
    distilled = verdicts.comparison(numbers, "distillation_gain")
    other = chosen if distilled is None else verdicts.named(numbers, distilled["first"])
    yield from _helped(gain, distilled, "" if other == chosen else f" of {other}")
    if gain is None and verdicts.is_base_ahead(numbers):
        yield "The search found no trial above the base config."
    yield from _baselines(findings, numbers)
    cases = numbers["examples"][numbers["split"]]["cases"]
    if numbers["optimistic"]:
        yield (
            "There is no test split: the search has seen the examples that are scored here, so all scores are too "
            "optimistic."
        )
    else:
        again = f" ({verdicts.look(numbers)})" if verdicts.look(numbers) else ""
        yield (
            f"All of it rests on {counted(cases, 'case')} of one data set{again}; other hospitals and "
            "devices can differ by more."
        )


def _helped(gain: verdicts.Numbers | None, distilled: verdicts.Numbers | None, of: str) -> Iterator[str]:
    """What tuning and distillation did, the latter perhaps of another trial."""
    did = [None if made is None else GAINS.get(made["verdict"]) for made in (gain, distilled)]
    if gain is not None and distilled is not None and did == [None, None]:
        yield f"Neither tuning nor distillation{of} brought {UNDECIDED}."
        return
    if gain is not None:
        yield f"Tuning {did[0] or f'did not bring {UNDECIDED}'}."
    if distilled is not None:
        yield f"Distillation{of} {did[1] or f'did not bring {UNDECIDED}'}."


def _baselines(findings: Findings, numbers: verdicts.Numbers) -> Iterator[str]:
    """The simple baselines that are not beaten, and which input the strongest of them needs."""
    against = [made for made in numbers["comparisons"] if made["kind"] == "against_baseline"]
    better = [made for made in against if made["verdict"] == "worse"]
    equal = [made for made in against if made["verdict"] not in verdicts.ANSWERS]
    if better:
        yield f"Simple baselines significantly better than {_against(numbers, better)}."
    if equal:
        what = "Not" if better else "Simple baselines not"
        yield f"{what} significantly different from {_against(numbers, equal)}."
    strongest = verdicts.against_strongest_baseline(numbers)
    if strongest is None or strongest["verdict"] == "better":
        return
    leaked = verdicts.leaked(findings, strongest["second"])
    if leaked is not None:
        yield f"Those of the texts have an input that this student lacks, and most texts name the {leaked[0]}."
    else:
        needed = verdicts.INPUTS.get(strongest["second"], "its input is")
        what = "better" if strongest["verdict"] == "worse" else "not shown to be worse"
        yield f"Where {needed} available in practice, the strongest of them is simpler and {what}."


def _against(numbers: verdicts.Numbers, made: list[verdicts.Numbers]) -> str:
    """A trial, and the baselines it was compared with: `trial 9: the first; the second`."""
    names = "; ".join(verdicts.named(numbers, each["second"]) for each in made)
    return f"{verdicts.named(numbers, made[0]['first'])}: {names}"
