import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "benchmark_listing.py"


@pytest.mark.slow
def test_both_ways_to_look_again_are_timed_on_a_folder_of_that_size():
    words = [sys.executable, str(SCRIPT), "--count", "60", "--classes", "3"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "60 files in 3 folders"
    assert [line[:34].strip() for line in lines[1:]] == [
        "read for the first time",
        "kept by folders",
        "again, dataset.recheck=files",
        "again, dataset.recheck=folders",
    ]
