import pickle
from pathlib import Path

from cu.jobs.job import JobFailed


def test_a_failure_travels_between_processes():
    failure = JobFailed("diverged", "the loss\nbecame nan", Path("run.log"))
    other = pickle.loads(pickle.dumps(failure))
    assert (str(other), other.state) == ("the loss became nan [run.log]", "diverged")
    assert str(JobFailed("failed", "no")) == "no"
