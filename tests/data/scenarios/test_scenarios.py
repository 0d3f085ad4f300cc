import pytest
import torch

from cu.data.scenarios.classes import ClassScenario
from cu.data.scenarios.indices import IndicesScenario
from cu.data.scenarios.samples import SampleScenario
from cu.data.splits import DatasetOptions, Part, image_data, whole
from cu.data.task import make_task
from cu.errors import ConfigError

FILE_SIZE, NUM_CLASSES = 200, 10


def make_data(val_fraction=0.1, train_size=None, test_rows=None, labels=None):
    """200 training images; with `test_rows`, those of them are the test images."""
    labels = torch.arange(FILE_SIZE) % NUM_CLASSES if labels is None else labels
    options = DatasetOptions(
        train_size=train_size,
        test_size=None,
        val_fraction=val_fraction,
        augment=False,
        crop=0,
        flip=False,
        download=False,
        mean=[0.0],
        std=[1.0],
    )
    train = whole(torch.zeros(FILE_SIZE, 1, 2, 2, dtype=torch.uint8), labels)
    test = whole(torch.ones(50, 1, 2, 2, dtype=torch.uint8), torch.arange(50) % NUM_CLASSES)
    if test_rows is not None:
        test = Part(images=train.images, labels=labels, rows=test_rows)
        others = torch.ones(FILE_SIZE, dtype=torch.bool)
        others[test_rows] = False
        train = Part(images=train.images, labels=labels, rows=others.nonzero().squeeze(1))
    return image_data(options, train, test, tuple("abcdefghij"))


def select(scenario, data=None, seed=0):
    data = data or make_data()
    return scenario.select(data.train, data.num_classes, torch.Generator().manual_seed(seed))


def sample(count=None, fraction=None):
    return SampleScenario(count=count, fraction=fraction)


@pytest.fixture
def ids_file(tmp_path):
    def write(text):
        path = tmp_path / "ids.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return IndicesScenario(file=str(path))

    return write


def fails(scenario, message, data=None):
    with pytest.raises(ConfigError, match=message) as caught:
        make_task(data or make_data(), scenario, torch.Generator().manual_seed(0))
    assert "\n" not in str(caught.value)


# class


def test_class_scenario_selects_all_of_its_classes():
    data = make_data()
    positions = select(ClassScenario(classes=[5, 2]), data)
    assert positions.tolist() == [i for i, label in enumerate(data.train.labels.tolist()) if label in (2, 5)]
    assert positions.dtype == torch.int64
    # Every class has 20 training images in the file, of which 2 are held out.
    assert len(positions) == 36


def test_class_scenario_leaves_no_image_of_the_class_behind():
    task = make_task(make_data(), ClassScenario(classes=[5]), torch.Generator())
    assert not bool(task.retain.labels.eq(5).any())
    assert bool(task.forget.labels.eq(5).all())


def test_class_scenario_draws_nothing_from_the_generator():
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    make_task(make_data(), ClassScenario(classes=[5]), generator)
    assert generator.get_state().equal(before)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([10], r"scenario\.classes: there is no class 10; classes run from 0 to 9"),
        ([-1], r"scenario\.classes: there is no class -1"),
        ([3, 5, 3], r"scenario\.classes=\[3, 5, 3\] names a class twice"),
        ([], r"scenario\.classes is empty"),
        (list(range(10)), r"scenario\.classes=.* forgets all training samples"),
    ],
)
def test_class_scenario_errors(classes, message):
    fails(ClassScenario(classes=classes), message)


def test_class_without_training_samples():
    labels = torch.arange(FILE_SIZE) % (NUM_CLASSES - 1)
    fails(ClassScenario(classes=[0, 9]), "class 9 has no training samples", make_data(labels=labels))


# sample


def test_sample_scenario_is_sorted_without_repeats_and_of_the_right_size():
    positions = select(sample(count=50))
    assert len(positions) == 50
    assert positions.equal(positions.unique(sorted=True))
    assert int(positions.min()) >= 0
    assert int(positions.max()) < 180


def test_sample_scenario_follows_its_generator_only():
    torch.manual_seed(0)
    first = select(sample(count=50), seed=1)
    torch.manual_seed(1)
    assert select(sample(count=50), seed=1).equal(first)
    assert not select(sample(count=50), seed=2).equal(first)


def test_sample_scenario_takes_any_sample_equally_often():
    data = make_data(val_fraction=0.0)
    generator = torch.Generator().manual_seed(0)
    hits = torch.zeros(FILE_SIZE)
    for _ in range(400):
        hits[sample(count=50).select(data.train, NUM_CLASSES, generator)] += 1
    # Each is Binomial(400, 1/4): mean 100, standard deviation 8.7.
    assert hits.min() > 60
    assert hits.max() < 140
    assert abs(float(hits[:50].mean()) - 100) < 10


def test_fraction_wins_over_the_default_count():
    assert len(select(sample(count=500, fraction=0.1))) == 18
    assert len(select(sample(fraction=0.5))) == 90


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (sample(), r"scenario\.count and scenario\.fraction are both null"),
        (sample(count=180), r"scenario\.count=180 of 180 training samples"),
        (sample(count=500), r"scenario\.count=500 of 180 training samples"),
        (sample(fraction=0.001), r"scenario\.fraction=0\.001 of 180 training samples forgets 0"),
        (sample(fraction=0.999), r"scenario\.fraction=0\.999 of 180 training samples forgets 180"),
    ],
)
def test_sample_scenario_errors(scenario, message):
    fails(scenario, message)


# indices


@pytest.mark.parametrize(
    "text",
    [
        "7\n3\n150\n",
        "7\r\n3\r\n150",
        "id\n7\n3\n150\n",
        "# asked for on Monday\n\n7\n  3  # twice confirmed\n\n150\n",
        "index\n7\n3\n150\n",
        'file,ID,reason\na#1.png,7,x\nb.png,3,\n"c, d.png",150,y\n',
        ",id\n0,7\n1,3\n2,150\n",
        "index,id\n0,7\n1,3\n2,150\n",
        "\ufeffid\n7\n3\n150\n",
    ],
)
def test_indices_scenario_reads_text_and_csv(text, ids_file):
    data = make_data(val_fraction=0.0)
    assert data.train.ids[select(ids_file(text), data)].tolist() == [3, 7, 150]


def test_ids_are_file_positions_not_positions_in_the_split(ids_file):
    data = make_data()
    wanted = data.train.ids[[170, 20, 0]].tolist()
    assert wanted[0] != 170
    positions = select(ids_file("\n".join(map(str, wanted))), data)
    assert positions.tolist() == [0, 20, 170]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no sample ids"),
        ("# nothing\n\n", "holds no sample ids"),
        ("id,file\n", "holds no sample ids"),
        ("3\nabc\n", r"ids\.csv line 2: 'abc' is not a sample id"),
        ("# note\n3\n\n4.0\n", r"ids\.csv line 4: '4\.0' is not a sample id"),
        ("1_0\n", r"line 1: '1_0' is not"),
        ("name,id\nx,3\ny\n", r"line 3: '' is not a sample id"),
        ("3,4\n5,6\n", r"line 1: several columns, but no header"),
        ("name,label\nx,3\n", r"line 1: several columns, but no header"),
        ("3\n200\n", r"scenario\.file: id 200 is out of range: ids run from 0 to 199"),
        ("-1\n999999999999999999\n", r"ids -1, 999999999999999999 are out of range"),
        ("9" * 30, r"line 1: '9{30}' is not a sample id"),
        (b"\xff\xfe\x00", r"cannot read .*ids\.csv: not a text file"),
        ("\n".join(map(str, range(200))), r"names all 200 training samples"),
    ],
)
def test_indices_scenario_errors(text, message, ids_file):
    fails(ids_file(text), message, make_data(val_fraction=0.0))


def test_a_file_that_is_not_there(tmp_path):
    fails(
        IndicesScenario(file=str(tmp_path / "absent.csv")), r"scenario\.file: cannot read .*absent\.csv: No such file"
    )
    fails(IndicesScenario(file=str(tmp_path)), r"scenario\.file: cannot read .*: Is a directory")


def test_validation_ids_are_told_from_those_left_out(ids_file):
    data = make_data(train_size=100)
    val = data.val.ids.tolist()
    left_out = sorted(set(range(FILE_SIZE)) - set(data.train.ids.tolist()) - set(val))
    text = "\n".join(map(str, [*val[:7], left_out[0], int(data.train.ids[0])]))
    first = ", ".join(map(str, val[:5]))
    fails(ids_file(text), rf"ids {first} and 2 more are held out in the validation.*dataset\.val_fraction=0", data)
    fails(
        ids_file(str(left_out[3])),
        rf"id {left_out[3]} is left out by dataset\.train_size.*dataset\.train_size=null",
        data,
    )
    with pytest.raises(ConfigError, match=f"id {val[0]} is not in the training split"):
        select(ids_file(str(val[0])), data)


def test_test_ids_of_a_shared_file_are_told(ids_file):
    data = make_data(test_rows=torch.arange(0, FILE_SIZE, 5))
    fails(ids_file("10\n"), "id 10 is in the test split, which no model is trained on", data)


# the task


@pytest.mark.parametrize("scenario", [ClassScenario(classes=[1, 5]), sample(count=30)])
def test_retain_and_forget_partition_the_training_split(scenario):
    data = make_data()
    task = make_task(data, scenario, torch.Generator().manual_seed(0))
    assert torch.cat([task.retain.ids, task.forget.ids]).sort().values.equal(data.train.ids)
    assert len(task.forget) == len(select(scenario, data))
    assert task.retain.labels.equal(task.retain.ids % NUM_CLASSES)
    assert task.forget.labels.equal(task.forget.ids % NUM_CLASSES)
    names = [split.name for split in (task.retain, task.forget, task.val, task.test, task.test_forget)]
    assert names == ["retain", "forget", "val", "test", "test_forget"]
    assert task.retain.images is task.forget.images
    assert task.val is data.val
    assert task.test is data.test
    assert task.num_classes == NUM_CLASSES


def test_class_task_knows_the_test_images_of_its_classes():
    task = make_task(make_data(), ClassScenario(classes=[5, 1]), torch.Generator())
    assert task.scenario == "class"
    assert task.forget_classes == (1, 5)
    assert task.test_forget.ids.tolist() == [i for i in range(50) if i % 10 in (1, 5)]
    assert len(task.test) == 50


def test_sample_task_has_no_forgotten_classes():
    task = make_task(make_data(), sample(fraction=0.2), torch.Generator().manual_seed(0))
    assert task.scenario == "sample"
    assert task.forget_classes == ()
    assert len(task.test_forget) == 0


def test_indices_task(ids_file):
    task = make_task(make_data(val_fraction=0.0), ids_file("id\n12\n4\n"), torch.Generator())
    assert task.scenario == "sample"
    assert task.forget.ids.tolist() == [4, 12]
    assert len(task.retain) == 198
