from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import recall_score

from distune.config import load_config, save_config, with_values
from distune.data import read_table
from distune.data.demo.demo import write_demo
from distune.deployment.model_card import external_evaluations, model_card
from distune.errors import UserError
from distune.prediction.evaluation import EXTERNAL, evaluation_of, record
from distune.prediction.label_numbers import label_columns_of
from distune.prediction.labelled import Labelled, labelled, labelled_file
from distune.prediction.load import load
from distune.prediction.predictor import Predictor
from distune.training.files.prediction_files import read_rows
from distune.training.files.run_folder import read_results, write_results

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def copied(trained_run: Callable[..., Path], tmp_path: Path) -> Path:
    return shutil.copytree(trained_run(), tmp_path / "run")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of other patients, which holds other pictures."""
    root = tmp_path_factory.mktemp("elsewhere") / "demo"
    write_demo(root, seed=7, examples=40)
    return root


def scored(predictor: Predictor, data: Labelled) -> dict[str, Any]:
    return evaluation_of(predictor, data, label_columns_of(data, predictor.tasks))


def write_table(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def write_new(elsewhere: Path, file: Path, **changed: str) -> list[dict[str, str]]:
    """All examples of the other data set as a labelled table; the first one may be changed."""
    lines = [
        json.loads(line)
        for path in sorted((elsewhere / "splitted_dataset").glob("descriptions_*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    rows = [
        {
            "image": f"images/{line['image']}.png",
            "text": line["Description"]["Caption"],
            "patient": line["U_id"],
            "modality": line["Type"],
            "location": line["Location Category"],
        }
        for line in lines
    ]
    rows[0] |= changed
    write_table(file, rows)
    return rows


def write_labelled(run: Path, file: Path) -> list[dict[str, str]]:
    """The dev examples of a run as somebody else's labelled table; returns what the run predicted for them."""
    rows = read_rows(run)
    labels = {task: f"truth_{task}" for task in ("modality", "location")}
    columns = {**{name: name for name in ("id", "image", "text", "group")}, **labels}
    write_table(file, [{name: row[column] for name, column in columns.items()} for row in rows])
    return rows


def card_of(run: Path) -> str:
    config = load_config(run / "config.yaml")
    table = read_table(config.data, check_images=False)
    parity = {
        "examples": 1,
        "largest_difference": 0.0,
        "changed": 0,
        "changed_from_run": 0,
        "score": 1.0,
        "exported_score": 1.0,
    }
    temperatures = {"modality": 1.0, "location": 1.0}
    return model_card(
        run, config, table.tasks, table, parity, "32-bit", temperatures, external_evaluations(run)
    )


def test_scores_are_those_of_the_run_on_the_same_examples(
    copied: Path, demo_root: Path, tmp_path: Path
) -> None:
    rows = write_labelled(copied, tmp_path / "new.csv")
    predictor = load(copied)
    found = scored(predictor, labelled_file(predictor, tmp_path / "new.csv", demo_root))
    dev = json.loads((copied / "results.json").read_text())["splits"]["dev"]
    assert found["score"] == pytest.approx(dev["score"])
    assert found["interval"][0] < found["score"] < found["interval"][1]
    assert found["cases"] == len({row["group"] for row in rows})
    truth, chosen = ([row[f"{what}_modality"] for row in rows] for what in ("truth", "pred"))
    for name, value in zip(
        sorted(set(truth)), recall_score(truth, chosen, average=None, labels=sorted(set(truth))), strict=True
    ):
        assert found["tasks"]["modality"]["classes"][name]["recall"] == pytest.approx(value)


@pytest.mark.slow
def test_external_data_are_evaluated_and_recorded(distune: Command, copied: Path, elsewhere: Path) -> None:
    rows = write_new(elsewhere, Path("new.csv"))
    code, out, err = distune("evaluate", copied, "--csv", "new.csv", "--data-root", elsewhere)
    assert code == 0, err
    assert "external data: new.csv" in out and "95 % interval over cases" in out
    (line,) = (copied / EXTERNAL).read_text().splitlines()
    found = json.loads(line)
    assert (found["examples"], found["new"]) == (len(rows), True)
    assert found["cases"] == len({row["patient"] for row in rows})
    card = card_of(copied)
    assert f"new.csv, {found['time'][:10]}: {found['score']:.4f}" in card


def test_scores_of_a_single_case_are_on_the_card_without_an_interval(
    copied: Path, elsewhere: Path, tmp_path: Path
) -> None:
    rows = [{**row, "group": "one"} for row in read_rows(copied)]
    write_table(copied / "predictions_dev.csv", rows)
    write_results(copied, read_results(copied) or {})  # as of a run with such data
    write_new(elsewhere, tmp_path / "new.csv")
    predictor = load(copied)
    data = labelled_file(predictor, tmp_path / "new.csv", elsewhere)
    found = scored(predictor, replace(data, groups=["one"] * len(data.groups)))
    record(copied, found)
    assert found["interval"] == [None, None]
    card = card_of(copied)
    assert f"| too few cases for an interval | {len(rows)} |" in card
    assert f"{found['score']:.4f} (too few cases for an interval), {found['examples']} examples" in card


@pytest.mark.slow
@pytest.mark.parametrize("share", ["all", "one"])
def test_examples_that_the_study_saw_are_no_external_data(
    distune: Command, copied: Path, demo_root: Path, elsewhere: Path, tmp_path: Path, share: str
) -> None:
    """Wherever they lie and whatever they are called: their content is compared."""
    root = shutil.copytree(demo_root if share == "all" else elsewhere, tmp_path / "other")
    if share == "one":
        seen = next((demo_root / "images").glob("*.png"))
        shutil.copyfile(seen, next((root / "images").glob("*.png")))
    code, _, err = distune("evaluate", copied, "--data-root", root)
    assert code == 2 and "external data are others" in err
    assert ("1 of 40 images" in err) == (share == "one")
    assert not (copied / EXTERNAL).exists()


@pytest.mark.slow
def test_a_data_set_is_read_like_that_of_the_run(distune: Command, copied: Path, elsewhere: Path) -> None:
    code, out, _ = distune("evaluate", copied, "--data-root", elsewhere)
    assert code == 0 and "external data: demo, 40 examples" in out


def test_what_only_training_leaves_out_is_evaluated(copied: Path, elsewhere: Path) -> None:
    whole = labelled(load(copied), elsewhere)
    config = load_config(copied / "config.yaml")
    save_config(with_values(config, {"data.label_fraction": 0.5}), copied / "config.yaml")
    write_results(copied, read_results(copied) or {})
    found = labelled(load(copied), elsewhere)
    assert (found.labels, found.groups) == (whole.labels, whole.groups)


@pytest.mark.slow
def test_where_the_training_data_are_gone_it_is_said_that_nothing_was_compared(
    distune: Command, copied: Path, elsewhere: Path, tmp_path: Path
) -> None:
    config = load_config(copied / "config.yaml")
    save_config(with_values(config, {"data.root": str(tmp_path / "gone")}), copied / "config.yaml")
    write_results(copied, read_results(copied) or {})
    code, out, _ = distune("evaluate", copied, "--data-root", elsewhere)
    assert code == 0 and "not compared" in out
    assert json.loads((copied / EXTERNAL).read_text())["new"] is None


@pytest.mark.slow
def test_labels_and_cells_mean_what_they_mean_in_training(
    copied: Path, elsewhere: Path, tmp_path: Path
) -> None:
    """Semicolons in Latin-1, padded labels, other spellings, missing cells, backslashes: the same scores."""
    rows = write_new(elsewhere, tmp_path / "plain.csv")
    config = load_config(copied / "config.yaml")
    label_map = {"modality": {"tomography": rows[0]["modality"]}}
    save_config(with_values(config, {"data.label_map": label_map}), copied / "config.yaml")
    write_results(copied, read_results(copied) or {})
    predictor = load(copied)
    expected = scored(predictor, labelled_file(predictor, tmp_path / "plain.csv", elsewhere))
    written = [dict(row) for row in rows]
    for number, row in enumerate(written):
        row["image"] = row["image"].replace("/", "\\").removesuffix(".png")
        row["location"] = f" {row['location']} "
        row["patient"] += " " * (number % 2)  # one patient in two spellings is one case
    written[0]["modality"] = "tomography"
    body = [";".join(values.values()) for values in written]
    (tmp_path / "odd.csv").write_bytes("\r\n".join([";".join(rows[0]), *body]).encode("cp1252"))
    found = scored(predictor, labelled_file(predictor, tmp_path / "odd.csv", elsewhere))
    assert (found["score"], found["cases"]) == (expected["score"], expected["cases"])
    written[1]["modality"] = "N/A"
    (tmp_path / "less.csv").write_text(
        "\n".join([";".join(rows[0]), *(";".join(row.values()) for row in written)])
    )
    less = scored(predictor, labelled_file(predictor, tmp_path / "less.csv", elsewhere))
    assert sum(each["support"] for each in less["tasks"]["modality"]["classes"].values()) == len(rows) - 1


BAD = {
    "unknown class": ({"modality": "PET"}, "'CT', 'MR', 'PET', the student knows 'CT', 'MR'"),
    "missing image": ({"image": "images/none.png"}, "none.png"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_evaluated_is_refused_and_not_recorded(
    distune: Command, copied: Path, elsewhere: Path, case: str
) -> None:
    changed, token = BAD[case]
    write_new(elsewhere, Path("new.csv"), **changed)
    code, _, err = distune("evaluate", copied, "--csv", "new.csv", "--data-root", elsewhere)
    assert code == 2 and token in err
    assert not (copied / EXTERNAL).exists()
    Path("short.csv").write_text("image,text,modality\na.png,b,CT\n")
    code, _, err = distune("evaluate", copied, "--csv", "short.csv", "--data-root", elsewhere)
    assert code == 2 and "'location'" in err and "'modality'" in err


@pytest.mark.parametrize(
    ("labels", "groups", "token"),
    [
        (None, ["p"], "groups: 1 for 2"),
        (None, "pp", "groups: takes"),
        (None, 3, "groups: takes"),
        (None, [["p"], ["q"]], "groups: a value of type list"),
        ({"modality": ["CT"]}, None, "labels of 'modality': 1 for 2"),
        ({"modality": None}, None, "labels of 'modality': takes"),
        ({"modality": "CT"}, None, "labels of 'modality': takes"),
        ({"modality": [b"CT", "MR"]}, None, "labels of 'modality': a value of type bytes"),
        ({"modality": {"CT", "MR"}}, None, "labels of 'modality': takes"),
        ({"modality": ["CT", "MR"], "site": ["a", "b"]}, None, "labels: no task 'site'"),
        (None, {"p": 1, "q": 2}, "groups: takes"),
    ],
)
def test_labels_and_groups_are_one_for_each_example(
    trained_run: Callable[..., Path], labels: Any, groups: Any, token: str
) -> None:
    labels = labels or {"modality": ["CT", "MR"], "location": ["a", "b"]}
    with pytest.raises(UserError, match=token):
        load(trained_run()).evaluate(["a.png", "b.png"], ["x", "y"], labels=labels, groups=groups)


@pytest.mark.parametrize(
    ("data", "ignored"),
    [
        ("new.csv", {"texts": ["x"]}),
        ("new.csv", {"groups": ["p"]}),
        (".", {"root": "."}),
        (["a.png"], {"root": "."}),
        (["a.png"], {"name": " "}),
        (["a.png"], {"name": "\ud800"}),
        (["a.png"], {"record": "no"}),
        (["a.png"], {"on_progress": 3}),
    ],
)
def test_an_argument_without_effect_or_sense_is_named(
    trained_run: Callable[..., Path], data: Any, ignored: dict[str, Any]
) -> None:
    (name,) = ignored
    with pytest.raises(UserError, match=f"^{name}: "):
        load(trained_run()).evaluate(data, **ignored)


@pytest.mark.slow
def test_examples_of_one_id_are_cases_of_their_own(trained_run: Callable[..., Path]) -> None:
    pandas = pytest.importorskip("pandas")
    rows = {
        "image": ["a.png"] * 3,
        "text": "x",
        "modality": "CT",
        "location": "a",
        "group": ["p", None, None],
    }
    frame = pandas.DataFrame(rows, index=[7, 7, 7])
    assert len(set(labelled(load(trained_run()), frame).groups)) == 3
    with pytest.raises(UserError, match="labels"):
        labelled(load(trained_run()), frame, labels={"modality": ["MR"] * 3})
    rest = labelled(load(trained_run()), frame.drop(columns="location"), labels={"location": ["b"] * 3})
    assert rest.labels == {"modality": ["CT"] * 3, "location": ["b"] * 3}
    beside = frame.assign(note="x")[["note", "note"]]
    assert (
        labelled(load(trained_run()), pandas.concat([frame, beside], axis=1)).labels["modality"] == ["CT"] * 3
    )
    for name in ("text", "image", "modality", "group"):
        with pytest.raises(UserError, match=f"column.* '{name}'"):
            labelled(load(trained_run()), pandas.concat([frame, frame[[name]]], axis=1))


def test_cells_that_hold_nothing_are_labels_that_are_not_known(trained_run: Callable[..., Path]) -> None:
    labels = {"modality": ["CT", None], "location": [float("nan"), 3]}
    found = labelled(
        load(trained_run()), ["a.png", "b.png"], texts=["x", "y"], labels=labels, groups=[7, None]
    )
    assert found.labels == {"modality": ["CT", ""], "location": ["", "3"]}
    assert found.groups == ["7", "b.png"]


RECORDED = {
    "data": "<b>",
    "time": "2026-11-26T10:00:00+00:00",
    "score": 0.5,
    "interval": [0.25, None],
    "examples": 3,
}


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("odd", [None, [], {}, "<script>x", True, -7, 1e300, [0.5]])
def test_a_record_of_an_evaluation_that_is_none_is_named(tmp_path: Path, name: str, odd: Any) -> None:
    file = tmp_path / EXTERNAL
    file.write_text(json.dumps(RECORDED) + "\n")
    (said,) = external_evaluations(tmp_path)
    assert "2026-11-26: 0.5000 (too few cases for an interval), 3 examples" in said and "<" not in said
    file.write_text(json.dumps(RECORDED) + "\n" + json.dumps(RECORDED | {name: odd}) + "\n")
    if name == "data" and isinstance(odd, str):
        assert "<" not in external_evaluations(tmp_path)[1]
        return
    with pytest.raises(UserError, match="line 2"):
        external_evaluations(tmp_path)
