"""The closing: what the study showed, in words; its numbers stand above."""

from __future__ import annotations

from collections.abc import Iterator

from distune.analysis.findings import Findings
from distune.reporting import verdicts
from distune.reporting.document import Section, paragraph

GAINS = {
    "better": "improved the score",
    "worse": "made the score worse",
    verdicts.UNDECIDED: "brought no gain that these data can show",
}


def section(findings: Findings) -> Section:
    """Three or four sentences."""
    return Section("Conclusion", (paragraph(" ".join(_sentences(findings))),))


def _sentences(findings: Findings) -> Iterator[str]:
    numbers, best = verdicts.current(findings), findings.ranking.best
    if best is None:
        yield "No trial is complete, so the study shows nothing yet."
    elif findings.study.is_table:
        yield f"Trial {best.number} has the best score of the table."
        yield "Whether it would be the best again, and on new cases, a table of trials cannot show."
    elif numbers is None:
        yield f"Trial {best.number} leads the search, but nothing about it is confirmed."
        yield (
            "Its score is of one training, picked among many on the examples that it is judged on; expect "
            "less on new cases."
        )
        yield "Confirmation answers what is left open: how good it is, and whether tuning and distillation helped."
    else:
        yield from _confirmed(numbers)


def _confirmed(numbers: verdicts.Numbers) -> Iterator[str]:
    chosen = verdicts.named(numbers, verdicts.recommended(numbers))
    gain = verdicts.gain_over_base(numbers)
    is_shown = gain is None or gain["verdict"] in verdicts.ANSWERS or chosen == "the base config"
    yield f"Use {chosen}{'' if is_shown else ', as the better bet: that it beats the base config is not shown'}."
    for what, made in (
        ("Tuning", gain),
        ("Distillation", verdicts.comparison(numbers, "distillation_gain")),
    ):
        if made is not None:
            yield f"{what} {GAINS.get(made['verdict'], GAINS[verdicts.UNDECIDED])}."
    ahead = [
        verdicts.named(numbers, made["second"])
        for made in numbers["comparisons"]
        if made["kind"] == "against_baseline" and made["verdict"] != "better"
    ]
    if ahead:
        yield (
            f"Not beaten without a network: {'; '.join(ahead)}. Where the input of such a baseline is at hand "
            "in use, it is "
            "the simpler choice."
        )
    cases = numbers["examples"][numbers["split"]]["cases"]
    if numbers["optimistic"]:
        yield "There is no test split: the search has seen the examples that judge here, so all scores flatter."
    else:
        yield f"All of it rests on {cases} cases of one data set; other hospitals and devices can differ by more."
