import os
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from cu.engine.allocation import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        bytes(bytearray(40 * 2**20))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
keep_freed_memory()
faults()
print(first, faults())
"""


def page_faults(**env):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | env
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_memory_of_the_last_step_is_used_again():
    before, after = page_faults()
    if before < 1000:
        pytest.skip("the pages of this system are large, or its C library is no glibc")
    assert after < before / 5


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_what_the_environment_says_of_memory_stands():
    before, after = page_faults(MALLOC_MMAP_THRESHOLD_="1048576")
    assert after > before / 2
