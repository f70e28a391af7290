"""`make bench`: every benchmark in turn, into benchmarks/RESULTS.md.

Those on real data need MEDPIX_ROOT and are left out without it, which RESULTS.md says.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
MEDPIX = os.environ.get("MEDPIX_ROOT", "")
ON_MEDPIX = ["config/medpix_offline.yaml", "--data-root", MEDPIX]
BENCHMARKS: dict[str, list[str]] = {
    "One trial against a plain loop": ["trial", *ON_MEDPIX, "--epochs", "1"],
    "The same with nothing frozen": ["trial", "benchmarks/nothing_frozen.yaml", "--data-root", MEDPIX],
    "The student's epochs against bare steps": ["limit", *ON_MEDPIX],
    "2,000 and 100,000 images": ["scale"],
    "The classic teacher and student": ["ultra"],
    "Two workers against one": ["workers"],
    "Fifty kills": ["faults"],
    "The coordinator's own time": ["coordinator"],
    "Four coordinators on PostgreSQL": ["postgresql"],
    "A Ray node lost": ["ray_node_loss"],
}


def main() -> None:
    parts = ["# Results\n\nWritten by `make bench`; ratios are of runs side by side on one machine."]
    for title, (name, *arguments) in BENCHMARKS.items():
        shown = " ".join(["python -m", f"benchmarks.{name}", *arguments])
        if not MEDPIX and "--data-root" in arguments:
            parts.append(f"## {title}\n\nNot run: MEDPIX_ROOT does not name a copy of MedPix 2.0.")
            continue
        print(shown, flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        shown = shown.replace(MEDPIX, "$MEDPIX_ROOT") if MEDPIX else shown
        output = done.stdout.strip() or done.stderr.strip()[-2000:]
        failed = f"\n\nExit code {done.returncode}: not all figures were reached." if done.returncode else ""
        parts.append(f"## {title}\n\n`{shown}`\n\n{output}{failed}")
        RESULTS.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
