import pytest

from cu.disk.digest import sha256
from cu.store.fingerprint import stable_name
from cu.store.sources import imported_sources, settings_files, sources_of


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "own_pack"
    (package / "parts").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text("import torch, json\nfrom .parts import block\nfrom own_loose import width\n")
    (package / "parts" / "__init__.py").write_text("")
    (package / "parts" / "block.py").write_text("from .. import deep\nimport own_pack.net\n")
    (package / "deep.py").write_text("raise RuntimeError('never run')\n")
    (tmp_path / "own_loose.py").write_text("width = 3\n")
    return tmp_path


def test_the_user_s_own_modules_count_however_deep_and_nothing_is_run(own):
    found = imported_sources("own_pack.net")
    assert set(found) == {"own_pack", "own_pack.parts", "own_pack.parts.block", "own_pack.deep", "own_loose"}
    assert found["own_loose"] == sha256(own / "own_loose.py")
    (own / "own_pack" / "deep.py").write_text("depth = 4\n")
    assert imported_sources("own_pack.net") != found


def test_a_method_of_the_user_s_counts_with_what_it_imports(own):
    before = stable_name("own_pack.net.Forget")
    assert before == {"_name_": "Forget", **sources_of("own_pack.net")}
    (own / "own_pack" / "deep.py").write_text("depth = 4\n")
    after = stable_name("own_pack.net.Forget")
    assert after["_source_"] == before["_source_"]
    assert after != before
    assert set(sources_of("own_loose")) == {"_source_"}


@pytest.mark.parametrize("module", ["torchvision.models", "json", "no_such_module", "cu.models.resnet"])
def test_what_is_installed_is_not_the_user_s(module):
    assert imported_sources(module) == {}


def test_a_file_that_does_not_parse_is_left_to_whoever_imports_it(own):
    (own / "own_broken.py").write_text("def (")
    assert imported_sources("own_broken") == {}


def test_files_that_settings_name_count_by_their_content(tmp_path):
    (tmp_path / "init.pth").write_text("a")
    settings = {"weights": str(tmp_path / "init.pth"), "name": "resnet18", "classes": 3, "gone": "none.pth"}
    assert settings_files(settings, "model.settings") == {"weights": sha256(tmp_path / "init.pth")}
