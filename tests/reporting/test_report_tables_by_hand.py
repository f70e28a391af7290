"""Tables and sentences of a report from a few trials."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from by_hand import findings, made, numbers, study, text

from distune.analysis.parameters.importance import Importance, Share
from distune.analysis.parameters.ranges import Ranges
from distune.analysis.parameters.shared import Shared, SharedByBest
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.data.audit.participant_flow import FLOW, NAMES
from distune.reporting.sections import best, overview, patterns, resources, results, starting_values

LR = Parameter("student_lr", "float", 1e-5, 1e-2, log=True)
ALPHA = Parameter("alpha", "float", 0.0, 1.0)


def trial(number: int, value: float | None = None, state: Any = "complete", **about: Any) -> TrialRecord:
    return TrialRecord(number, state, value, **about)


def test_trials_are_ranked_with_their_values_in_the_order_that_readers_know() -> None:
    params = {
        "T": 3.0,
        "student_lr": 1e-3,
        "student_dropout": 0.1,
        "loss": "vanilla",
        "student_fusion_dim": 256,
    }
    found = findings(study(
        trial(0, 0.5, params={**params, "alpha": 0.5}, baseline=True), trial(1, 0.6, params=params),
        metric="mean over tasks of the dev macro F1",
    ))  # fmt: skip
    table = results.top_table(found)
    assert table.header == (
        "Rank", "Trial", "Dev F1 Score", "Student LR", "Alpha", "T", "Loss", "Student Fusion", "Student Dropout",
    )  # fmt: skip
    first, second = (tuple(getattr(cell, "text", cell) for cell in row) for row in table.rows)
    assert first == ("1", "1", "0.6000", "1.00e-03", "—", "3.00", "vanilla", "dim=256", "0.100")
    assert second == ("2", "0 (base)", "0.5000", "1.00e-03", "0.500", "3.00", "vanilla", "dim=256", "0.100")
    assert table.numeric == {0, 1, 2, 3, 4, 5, 8}
    mixed = results.top_table(
        findings(study(trial(0, 0.5, params={"a": 1}), trial(1, 0.6, params={"a": "x"})))
    )
    assert mixed.numeric == {0, 1, 2}, "of a column of words a number is one, too"


@pytest.mark.parametrize(
    ("metric", "folds", "title"),
    [("macro F1", None, "Dev F1 Score"), ("macro F1", 3, "Mean F1 Score"), ("score", None, "Dev F1 Score"),
     ("macro F1 (type: auroc)", None, "Score"), (None, None, "Score"), ("kappa", 3, "Score")],
)  # fmt: skip
def test_what_the_score_is_called(metric: str | None, folds: int | None, title: str) -> None:
    assert results.score_title(findings(study(metric=metric, folds=folds))) == title


def test_what_became_of_all_trials() -> None:
    failed = [
        trial(number, state="failed", failure_kind="crash", failure_message=f"m{number}") for number in (3, 4)
    ]
    other = trial(5, state="failed", failure_kind="out_of_memory")
    shown = text(results._status(findings(study(trial(0, 0.5), trial(1, state="pruned"), *failed, other))))
    assert "| Completed | 1 | 20 % |" in shown and "| Failed | 3 | 60 % |" in shown
    assert "| crash of the worker | 3, 4 | m3 |" in shown and "| out of memory | 5 | not recorded |" in shown
    assert "2 trials, all of them completed" in text(results._status(findings()))
    assert "1 trial, completed" in text(results._status(findings(study(trial(0, 0.5)))))
    table = study(trial(1, 0.5), trial(5, 0.6), trial(7, 0.6), space_source="observed")
    assert "lacks the numbers 0, 2-4, 6" in text(results._status(findings(table)))
    assert "Top 2 trials" in text(results._top(findings())) and "best of 2 complete trials" in text(
        results._top(findings())
    )
    assert "The one complete trial" in text(results._top(findings(study(trial(0, 0.5)))))
    assert "none can be ranked" in text(results._top(findings(study(trial(0, state="failed")))))


def test_the_course_of_the_search_is_shown_where_it_is_drawn() -> None:
    drawn: Any = object()
    first = ["Top 2 trials", "Trial status distribution"]
    *_, course = parts = results.section(findings(), {"history": drawn}).parts
    assert [part.title for part in parts] == [*first, "Course of the search"] and course.blocks == (drawn,)
    assert [part.title for part in results.section(findings(), {"other": drawn}).parts] == first


def chosen(name: str, **about: Any) -> dict[str, Any]:
    return numbers(
        recommendation={"contender": name, "config": "c.yaml", "searched": 3},
        contenders={"trial_0000": {"kind": "trial", "trial": 0, "is_base": False}, **about},
    )


def test_the_trial_whose_config_is_recommended() -> None:
    trials = study(trial(0, 0.5), trial(1, 0.6), trial(2, 0.55, baseline=True))

    def shown(**values: Any) -> tuple[int, str]:
        found = findings(trials, **values)
        kept = best.shown_trial(found)
        assert kept is not None
        return kept.number, best._whose(found, kept)

    for name, expected, token in (
        (None, 1, "Trial 1 has the best score"),
        ("trial_0001", 1, "Trial 1, the best"),
        ("trial_0000", 0, "trial 1 scored higher"),
        ("base", 1, "recommends the base config"),
    ):
        number, said = shown(numbers=chosen(name)) if name else shown()
        assert number == expected and token in said
    gone = shown(numbers=chosen("trial_0009", trial_0009={"kind": "trial", "trial": 9}))
    assert gone[0] == 1 and "recommends trial 9" in gone[1]
    assert best.shown_trial(findings(study(trial(0, state="failed")))) is None
    same = findings(study(trial(0, 0.6, baseline=True)), numbers=chosen("base"))
    assert "nothing changes" in best._whose(same, same.ranking.trials[0])


def test_the_config_to_use_stands_beside_the_base() -> None:
    space = {"student_lr": LR, "alpha": ALPHA}
    base = trial(0, 0.5, params={"student_lr": 1e-3, "alpha": 0.5}, baseline=True)
    better = trial(1, 0.6, params={"student_lr": 2e-3, "alpha": 0.5})
    shown = text(best.section(findings(study(base, better, space=space))))
    assert (
        "| **2.00e-03** | 1.00e-03 | ↑ 2.0×: larger steps |" in shown
        and "| **0.500** | 0.500 | Same |" in shown
    )
    assert "what changed, not what helped" in shown and "does not record" not in shown
    alone = text(best.section(findings(study(better, space=space))))
    assert "does not record" in alone and "Change" not in alone
    part = text(best.section(findings(study(replace(base, params={"alpha": 0.5}), better, space=space))))
    assert re.search("does not record .* student_lr", part)
    first = text(best.section(findings(study(replace(base, value=0.7), better, space=space))))
    assert "| Base config |" in first and "Change" not in first


def ranges(*parameters: Parameter, trials: tuple[TrialRecord, ...], complete: int) -> Ranges:
    return Ranges({one.name: one for one in parameters}, trials, complete)


def notes(narrowed: Parameter, found: StudyRecord, held: tuple[TrialRecord, ...] = ()) -> str:
    return "; ".join(
        starting_values._notes(narrowed.name, narrowed, ranges(narrowed, trials=held, complete=9), found)
    )


def of_alpha(*values: float, **about: Any) -> StudyRecord:
    trials = [trial(number, 0.5, params={"alpha": value}) for number, value in enumerate(values)]
    return study(*trials, space={"alpha": ALPHA}, **about)


@pytest.mark.parametrize(
    ("low", "high", "values", "base", "said"),
    [
        (0.4, 0.6, [0.1, 0.5, 0.9], None, "1 of 3 trials"),
        (0.4, 0.6, [0.1, 0.5, 0.9], 0.5, "1 of 3 trials; includes the base value"),
        (0.4, 0.6, [0.1, 0.5, 0.9], 0.1, "1 of 3 trials; above the base value"),
        (0.4, 0.6, [0.1, 0.5, 0.9], 0.9, "1 of 3 trials; below the base value"),
        (0.0, 0.3, [0.1, 0.5, 0.9], None, "1 of 3 trials; reaches the low end searched"),
        (0.7, 1.0, [0.1, 0.5, 0.9], None, "1 of 3 trials; reaches the high end searched"),
        (0.0, 1.0, [0.1, 0.5, 0.9], 0.5, "hardly narrowed; includes the base value"),
        (0.1, 0.95, [0.5, 0.6], None, ""),
        (0.1, 0.95, [0.05, *([0.5] * 9)], None, "hardly narrowed"),
        (0.1, 0.95, [0.05, *([0.5] * 8)], None, "8 of 9 trials"),
    ],
)
def test_what_speaks_for_a_range(
    low: float, high: float, values: list[float], base: float | None, said: str
) -> None:
    about = {} if base is None else {"base_config": {"distillation": {"alpha": base}}}
    assert notes(replace(ALPHA, low=low, high=high), of_alpha(*values, **about)) == said


@pytest.mark.parametrize(("base", "start"), [({}, "{None, 8}"), ({"rank": 8}, "8")])
def test_a_choice_of_none_is_no_base_value_that_is_not_known(base: dict[str, Any], start: str) -> None:
    rank = Parameter("rank", "categorical", choices=(None, 8), key="rank")
    held = [trial(number, 0.5, params={"rank": value}) for number, value in enumerate((None, 8, 8))]
    found = study(*held, space={"rank": rank}, base_config=base or None)
    ((_, shown, note),) = starting_values._rows(ranges(rank, trials=tuple(held), complete=3), found)
    assert getattr(shown, "text", None) == start
    assert (starting_values.BASE_VALUE in str(note)) is bool(base)


def test_what_a_range_cuts_off_and_what_a_table_holds() -> None:
    outside = trial(7, 0.9, params={"alpha": 1.5})
    assert notes(replace(ALPHA, low=0.4, high=0.6), of_alpha(0.1, 0.5), (outside,)).endswith(
        "cut off here: 1.500 (trial 7)"
    )
    narrowed = replace(ALPHA, low=0.1, high=0.9)
    assert (
        notes(narrowed, of_alpha(0.5, 0.5, space_source="observed"))
        == "the only value in the table, so no choice"
    )
    assert notes(narrowed, of_alpha(0.5, 0.6, space_source="observed")) == "all that the table holds"
    low = replace(ALPHA, low=0.0, high=0.3)
    assert notes(low, of_alpha(0.1, 0.5, 0.9, space_source="observed")) == "1 of 3 trials", (
        "none was searched"
    )
    wide = text(starting_values.section(
        findings(of_alpha(0.1, 0.5, 0.9, base_config={"distillation": {"alpha": 0.5}}),
                 ranges=ranges(replace(ALPHA, low=0.0, high=1.0), trials=(outside,), complete=4)), None))  # fmt: skip
    assert "| `alpha` | **0.500** | the base value; [0.0, 1.0] is hardly narrowed |" in wide
    assert "The span of the best 1 of 4 complete trials" in wide and "--space" not in wide
    everything = ranges(ALPHA, trials=(outside,), complete=1)
    assert starting_values._whose(everything).startswith("The span of all 1 complete trial,")
    assert "why not" in text(starting_values.section(findings(ranges=Unknown("why not")), None))
    kept = findings(
        of_alpha(0.1, 0.5), ranges=everything, numbers=numbers(made("tuning_gain", verdict="worse"))
    )
    assert "None of the confirmed trials" in text(starting_values.section(kept, None))
    gained = findings(of_alpha(0.1, 0.5), ranges=everything, numbers=numbers(made("tuning_gain")))
    assert "None of the confirmed trials" not in text(starting_values.section(gained, None))


def test_values_that_the_best_share() -> None:
    assert patterns._shared(Shared("student_lr", 1e-3, None, None, 0.5, 0.25)) == "1.00e-03"
    assert patterns._shared(Shared("student_lr", None, 1e-4, 1e-3, 0.5, 0.25)) == "1.00e-04 to 1.00e-03"
    shares = (Share("alpha", 0.7), Share("student_lr", 0.3))
    one = text(patterns.section(findings(importance=Importance(shares, 0.5, 20, 0.1, ()))))
    assert "`alpha` matters more than" in one and "20 complete trials would show an effect of 0.1000" in one
    rows = SharedByBest((Shared("loss", "a", None, None, 0.75, 0.25),), 4, 16)
    found = text(patterns.section(findings(importance=Unknown("few"), shared=rows)))
    assert "| `loss` | a | 75 % | 25 % |" in found and "best 4 trials beside all 16" in found
    both = text(patterns.section(findings(importance=Importance(shares, 0.1, 20, 0.1, ()))))
    assert "matter more than" in both
    none = text(patterns.section(findings(importance=Importance(shares, 0.9, 20, 0.1, ()))))
    assert "an effect of 0.1000" in none, "that none stands out does not say that none matters"
    assert patterns.NOTHING_STANDS_OUT in none and "too short" in text(
        patterns.section(findings(importance=Unknown("too short")))
    )


def test_a_value_of_all_of_the_best_is_no_evidence_where_others_have_it_too() -> None:
    space = {"loss": Parameter("loss", "categorical", choices=("a", "b"))}
    complete = [trial(number, 0.9, params={"loss": "a"}) for number in range(10)]
    worse = [trial(10, 0.1, params={"loss": "b"}), trial(11, state="pruned", params={"loss": "a"}),
             trial(12, state="failed", params={"loss": "a"})]  # fmt: skip
    found = findings(study(*complete, *worse, space=space), shared=Unknown("few"))
    said = "".join(map(text, patterns._common(found)))
    assert re.search(r"best 10 .*`loss` = a\b.* 11 of all 12 ", said)
    everywhere = findings(study(*complete, space=space), shared=Unknown("few"))
    assert list(patterns._common(everywhere)) == []
    lacking = findings(
        study(replace(complete[0], params={}), *complete[1:], *worse, space=space), shared=Unknown("few")
    )
    assert list(patterns._common(lacking)) == [], "not all of the best have it"


def test_what_the_study_ran_on() -> None:
    trials = (
        trial(0, 0.5, device="GPU", memory_mb=1000.0, device_memory_mb=400.0, worker="w0"),
        trial(1, 0.5, device="GPU", memory_mb=3000.0, device_memory_mb=0.0, worker="w1"),
        trial(2, 0.5, device="CPU, 1 threads", memory_mb=500.0),
    )
    shown = text(resources.section(findings(study(*trials))))
    assert "| Devices | GPU (2 of 3 trials), CPU, 1 thread (1 of 3 trials) |" in shown
    assert "| Peak memory of a worker | 3.0 GB, on average 1.5 GB |" in shown
    assert (
        "| Peak memory of the device | 400 MB |" in shown
        and "| Workers | 2 |" in shown
        and "Not recorded" not in shown
    )
    assert "| Devices | GPU |" in text(resources.section(findings(study(trials[0], trials[1]))))
    bare = text(resources.section(findings()))
    assert (
        "Not recorded by the trials: devices, peak memory, peak device memory, workers" in bare
        and "|" not in bare
    )


def test_what_the_study_is() -> None:
    bare = text(overview.section(findings(study(name=None))))
    assert "| Study name | not recorded |" in bare and "| Total trials | 2: 2 completed |" in bare
    assert (
        "| Duration | not recorded |" in bare and "Teacher trials" not in bare and "audits the data" in bare
    )
    first = {"finished": 4, "complete": 3, "pruned": 1, "failed": 0, "name": "s_teacher"}
    base = {"name": "own", "student": {"vision": {"name": "deit"}}}
    times = {
        "started": datetime(2026, 1, 2, tzinfo=UTC),
        "finished": datetime(2026, 1, 3, tzinfo=UTC),
        "seconds": 86400.0,
    }
    trials = [trial(0, 0.5, **times), trial(1, state="failed")]
    found = study(
        *trials, base_config=base, teacher_study=first, surplus=2, direction="minimize", metric="loss"
    )
    shown = text(overview.section(findings(found)))
    assert "| Total trials | 2: 1 completed, 1 failed; 2 more ended after" in shown
    assert "| Teacher trials (first stage) | 4: 3 completed, 1 pruned, in `s_teacher` |" in shown
    copied = [trial(0, 0.5, copied_from="old"), trial(1, state="pruned", copied_from="old"), trial(2, 0.6)]
    assert "; 2 of them copied from old" in text(overview.section(findings(study(*copied))))
    assert "| Inputs | the student reads images only (deit) |" in shown
    assert (
        "| Optimization metric | loss; smaller is better |" in shown
        and "| Date | January 2-3, 2026 |" in shown
    )
    table = text(overview.section(findings(study(space_source="observed", name=None))))
    assert "table of trials" in table and "not recorded" not in table and "audit" not in table
    assert "Macro F1 is the mean" in text(overview.section(findings(study(metric="macro F1"))))
    assert "3 folds of train and dev" in text(overview.section(findings(study(folds=3))))


def test_the_sizes_of_the_splits_and_what_the_audit_found() -> None:
    rows = [{"step": NAMES["train"], "examples": 60, "cases": 40}, {"step": NAMES["dev"], "examples": 9, "cases": "?"},
            {"step": "other", "examples": 1, "cases": 1}]  # fmt: skip
    found = [{"kind": "words_alone", "severity": "warning", "title": "words do it"},
             {"kind": "small", "severity": "info", "title": "few"}]  # fmt: skip
    audit = {"sections": [{"title": FLOW, "rows": rows}, {"title": "else", "rows": rows}], "findings": found}
    kept = findings(audit=audit, numbers=numbers(examples={"test": {"examples": 20, "cases": 10}}))
    assert overview._sizes(kept) == "train: 60 examples of 40 cases; test: 20 examples of 10 cases"
    assert overview._sizes(findings()) == ""
    image = findings(study(base_config={"student": {"vision": {"name": "deit"}}}), audit=audit)
    said = text(overview._audit(image))
    assert "Its warnings: words do it." in said and "few" not in said and "does not read the texts" in said
    assert "does not read the texts" not in text(
        overview._audit(replace(image, audit={**audit, "findings": found[1:]}))
    )
