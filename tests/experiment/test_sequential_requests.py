import json

import pytest
from safetensors.torch import load_file

REQUESTS = ((3, 10, 38), (5, 21), (2, 9))
SETTINGS = ("scenario=indices", "dataset.val_fraction=0", "save_model=true")
METRIC = "+evaluation.metrics.removed._target_=cu.metrics.membership.removed.still_forgotten"
SUITE = (METRIC, "+evaluation.metrics.removed._partial_=true")


def only(paths):
    (path,) = paths
    return path


@pytest.fixture(scope="module")
def chain(command, tiny, tmp_path_factory):
    """Three requests, each from the last one's model; and one for all of them at once; each in outputs of its own."""
    folder, checkpoint, runs = tmp_path_factory.mktemp("chain"), [], []
    for number, ids in enumerate((*REQUESTS, sum(REQUESTS, ()))):
        (folder / f"{number}.csv").write_text("\n".join(map(str, ids)), encoding="utf-8")
        outputs = folder / str(number)
        more = checkpoint if number < len(REQUESTS) else []
        words = [
            *tiny,
            *SETTINGS,
            *SUITE,
            f"scenario.file={folder / f'{number}.csv'}",
            f"paths.outputs={outputs}",
            *more,
        ]
        ended = command("unlearn", *words)
        assert ended.code == 0, ended.err
        run = only(outputs.glob("runs/*/*/*/*/*/result.json")).parent
        checkpoint = [f"model.checkpoint={run / 'model.safetensors'}"]
        runs.append((run, ended))
    return runs


def weights_of_reference(run):
    result = json.loads((run / "result.json").read_text())
    return load_file(run.parents[5] / "models" / only(result["models"]["retrained"]) / "model.safetensors")


def test_the_reference_of_a_chain_is_trained_without_all_of_it(chain):
    last, once = weights_of_reference(chain[2][0]), weights_of_reference(chain[3][0])
    assert last.keys() == once.keys()
    assert all(last[name].equal(once[name]) for name in once)
    assert not all(w.equal(last[name]) for name, w in weights_of_reference(chain[1][0]).items())


def test_earlier_requests_are_left_out_told_and_judged(chain):
    sizes = [json.loads((run / "result.json").read_text())["split_sizes"] for run, _ in chain]
    assert [s.get("removed", 0) for s in sizes] == [0, 3, 5, 0]
    assert [s["retain"] for s in sizes] == [297, 295, 293, 293]
    line = only(line for line in chain[2][1].err if "earlier requests" in line)
    assert line.startswith("removed by earlier requests and left out of everything: 5 samples (")
    assert "removed_acc" in chain[2][1].out
    assert "removed_acc" not in chain[3][1].out
    metrics = json.loads((chain[2][0] / "result.json").read_text())["metrics"]
    assert metrics["removed_acc"]["status"] == "ok"
    assert (chain[2][0] / "removed.csv").read_text() == "id\n3\n5\n10\n21\n38\n"


def test_finished_runs_are_judged_again_without_the_checkpoint(chain, command):
    run, outputs = chain[2][0], chain[2][0].parents[5]
    before = json.loads((run / "result.json").read_text())["metrics"]
    ended = command("evaluate", f"paths.outputs={outputs}", "evaluation=paper", *SUITE, "resume=rerun")
    assert ended.code == 0, ended.err
    after = json.loads((run / "result.json").read_text())["metrics"]
    assert after["removed_acc"] == before["removed_acc"]


def test_a_ledger_may_be_given(command, tiny, tmp_path, chain):
    (tmp_path / "all.txt").write_text("\n".join(map(str, sum(REQUESTS[:2], ()))), encoding="utf-8")
    (tmp_path / "ids.csv").write_text("\n".join(map(str, REQUESTS[2])), encoding="utf-8")
    words = [*tiny, *SETTINGS, *SUITE, f"scenario.file={tmp_path / 'ids.csv'}", f"paths.outputs={tmp_path}"]
    assert command("unlearn", *words, f"removed={tmp_path / 'all.txt'}").code == 0
    run = only(tmp_path.glob("runs/*/*/*/*/*/result.json")).parent
    once = weights_of_reference(chain[3][0])
    assert all(w.equal(once[name]) for name, w in weights_of_reference(run).items())
    ended = command("unlearn", *words, f"removed={tmp_path}")
    assert ended.code == 2
    assert "is a folder without forget_ids.csv: name a run" in ended.err[-1]
