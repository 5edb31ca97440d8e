"""A configuration file that changes is seen once, when it has settled, however the change was made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ginkgo_data.entrypoints.config_watch import ConfigWatch

LOOK = 0.02


@pytest.fixture
def changes() -> list[float]:
    return []


@pytest.fixture
def watch(tmp_path: Path, changes: list[float]) -> Iterator[Callable[[Path], ConfigWatch]]:
    made: list[ConfigWatch] = []

    def start(*files: Path) -> ConfigWatch:
        made.append(ConfigWatch(lambda: files, lambda: changes.append(time.monotonic()), LOOK))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.end()
        one.join(5)
        assert not one.is_alive()


def counted(changes: list[float], count: int) -> bool:
    """Whether there are `count` changes, and no more after a few looks."""
    deadline = time.monotonic() + 5
    while len(changes) < count and time.monotonic() < deadline:
        time.sleep(LOOK)
    time.sleep(6 * LOOK)
    return len(changes) == count


def write(path: Path, text: str) -> None:
    path.write_text(text)


def rename(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


@pytest.mark.parametrize("change", [write, rename])
def test_a_change_is_said_once(tmp_path, watch, changes, change):
    file = tmp_path / "data_worker.yml"
    file.write_text("a: 1")
    watch(file)
    for number in (2, 3):
        change(file, f"a: {number}")
        assert counted(changes, number - 1)


def test_a_file_written_anew_with_the_same_text_is_no_change(tmp_path, watch, changes):
    file = tmp_path / "data_worker.yml"
    file.write_text("a: 1")
    watch(file)
    rename(file, "a: 1")
    assert counted(changes, 0)


def test_links_that_are_turned_to_another_folder_are_a_change(tmp_path, watch, changes):
    """As Kubernetes changes a ConfigMap: file -> ..data/file, ..data -> a folder of the day."""
    for day, text in (("monday", "a: 1"), ("tuesday", "a: 2")):
        (tmp_path / day).mkdir()
        (tmp_path / day / "data_worker.yml").write_text(text)
    data, file = tmp_path / "..data", tmp_path / "data_worker.yml"
    data.symlink_to(tmp_path / "monday")
    file.symlink_to(Path("..data") / "data_worker.yml")
    watch(file)
    turned = tmp_path / "..data_new"
    turned.symlink_to(tmp_path / "tuesday")
    turned.replace(data)
    assert counted(changes, 1)


def test_a_file_that_goes_and_comes_back_is_two_changes(tmp_path, watch, changes):
    file = tmp_path / "data_worker.yml"
    watch(file)
    file.write_text("a: 1")
    assert counted(changes, 1)
    file.unlink()
    assert counted(changes, 2)


def test_a_file_that_is_still_being_written_is_waited_for(tmp_path, watch, changes):
    file = tmp_path / "data_worker.yml"
    file.write_text("a: 1")
    watch(file)
    with file.open("a") as growing:
        for number in range(25):
            growing.write(f"\nkey{number}: 1")
            growing.flush()
            time.sleep(LOOK / 2)
            ended = time.monotonic()
    assert counted(changes, 1)
    assert changes[0] > ended - LOOK
