"""`make bench`: every benchmark in turn, into RESULTS.md; `python -m benchmarks NAME ...` measures some of them again.

Those on real data need MEDPIX_ROOT and are left out without it, which RESULTS.md says. Sections of RESULTS.md that are
not measured stay as they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
HEAD = (
    "# Results\n\n`make bench` writes these sections, each as a whole; remarks below a table are by hand. "
    "Ratios are of runs side by side on one machine."
)
MEDPIX = os.environ.get("MEDPIX_ROOT", "")
ON_MEDPIX = ["config/medpix_offline.yaml", "--data-root", MEDPIX]
BENCHMARKS: dict[str, tuple[str, list[str]]] = {
    "trial": ("One trial against a plain loop", ["trial", *ON_MEDPIX, "--epochs", "1"]),
    "nothing_frozen": (
        "The same with nothing frozen",
        ["trial", "benchmarks/nothing_frozen.yaml", "--data-root", MEDPIX],
    ),
    "limit": ("The student's epochs against bare steps", ["limit", *ON_MEDPIX]),
    "study": ("A study of 30 trials", ["study", *ON_MEDPIX]),
    "prediction": ("Prediction, and the exported bundle", ["prediction", *ON_MEDPIX]),
    "compiled": ("Does torch.compile pay?", ["compiled"]),
    "scale": ("An epoch of few and of many images", ["scale"]),
    "reading": ("Reading a table of 20,000 rows", ["reading"]),
    "ultra": ("The classic teacher and student", ["ultra"]),
    "workers": ("Two workers against one", ["workers"]),
    "faults": ("Fifty kills, without a pruner and with one", ["faults"]),
    "faults_real": ("Ten kills of real training", ["faults", "--real", "--trials", "6", "--kills", "10"]),
    "coordinator": ("The coordinator's own time", ["coordinator"]),
    "postgresql": ("Four coordinators on PostgreSQL", ["shared_storage"]),
    "mariadb": ("Four coordinators on MariaDB", ["shared_storage", "--server", "mariadb"]),
    "confirmations": ("How often a confirmation is right", ["confirmations", "--simulations", "1000"]),
    "parameters": ("What a study can say about its parameters", ["parameters"]),
    "demo": ("What the demo shows, over data seeds", ["demo"]),
    "report": ("The report of very many trials", ["report"]),
    "ray_node_loss": ("A Ray node lost", ["ray_node_loss"]),
}


def measured(title: str, arguments: list[str]) -> str:
    """The section of one benchmark: its command, what it printed, and whether it reached its figures."""
    if not MEDPIX and "--data-root" in arguments:
        return f"## {title}\n\nNot run: MEDPIX_ROOT does not name a copy of MedPix 2.0."
    shown = " ".join(["python -m", f"benchmarks.{arguments[0]}", *arguments[1:]])
    print(shown, flush=True)
    command = [sys.executable, "-m", f"benchmarks.{arguments[0]}", *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shown = shown.replace(MEDPIX, "$MEDPIX_ROOT") if MEDPIX else shown
    output = done.stdout.strip() or done.stderr.strip()[-2000:]
    failed = f"\n\nExit code {done.returncode}: not all figures were reached." if done.returncode else ""
    return f"## {title}\n\n`{shown}`\n\n{output}{failed}"


def sections() -> dict[str, str]:
    """Title -> section of the benchmarks that RESULTS.md holds."""
    if not RESULTS.exists():
        return {}
    parts = RESULTS.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.splitlines()[0]: "## " + part.strip() for part in parts}


def main() -> None:
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        title, arguments = BENCHMARKS[name]
        if title in sections() and not MEDPIX and "--data-root" in arguments:
            continue  # figures that were measured stay
        found = sections() | {title: measured(title, arguments)}
        RESULTS.write_text("\n\n".join([HEAD, *found.values()]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
