from cu.seeds import member_seed


def test_models_of_different_runs_groups_and_numbers_have_different_seeds():
    runs, groups, numbers = range(50), ("reference", "retrain", "original", "unlearned"), range(40)
    seeds = [member_seed(run, group, number) for run in runs for group in groups for number in numbers]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) > 1_000_000, "none is a seed that somebody types"
    assert max(seeds) < 2**53, "a JSON number is exact up to there"


def test_a_member_keeps_its_seed():
    assert member_seed(0, "reference", 1) == member_seed(0, "reference", 1) == 1048400516096565
