"""The log of a worker process: lines that machines read, a file that is put aside when it is full, and no secret."""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path

import pytest

from ginkgo_data.entrypoints.log_output import JsonLines, PlainLines, log_file_of, set_up_logging
from ginkgo_data.entrypoints.settings import Settings

PLANTED = 'planted-"quoted"\\pw'


@pytest.fixture
def root():
    """The root logger as it is outside a test, and as it was after it."""
    logger = logging.getLogger()
    before, level = logger.handlers[:], logger.level
    logger.handlers[:] = []
    yield logger
    for handler in logger.handlers:
        handler.close()
    logger.handlers[:] = before
    logger.setLevel(level)


def settings(**logging_section: object) -> Settings:
    return Settings.model_validate(
        {
            "logging": logging_section,
            "redis": {"password": PLANTED},
            "sources": {"tushare": {"token": "short"}},
            "kafka": {"options": {"sasl.password": "planted-sasl", "security.protocol": "SASL_SSL"}},
        }
    )


def fail(text: str) -> None:
    raise ValueError(text)


def said(capsys) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_json_line_says_when_who_what_and_what_it_is_about(root, capsys):
    set_up_logging(settings(), "n1")
    logging.getLogger("some.where").warning("held: %s", "why", extra={"request_id": "r1", "request_ids": ("r1", "r2")})
    line = json.loads(said(capsys)[0])
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "logger": "some.where",
        "message": "held: why",
        "node_id": "n1",
        "request_id": "r1",
        "request_ids": ["r1", "r2"],
    }


def test_an_exception_is_one_line_of_json(root, capsys):
    set_up_logging(settings(), "n1")
    try:
        fail("broken")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = said(capsys)
    error = json.loads(line)["error"]
    assert error.startswith("Traceback")
    assert error.endswith("ValueError: broken")


def test_lines_for_people(root, capsys):
    set_up_logging(settings(format="console"), "n1")
    logging.getLogger("some.where").info("ready")
    assert said(capsys)[0].endswith(" INFO some.where: ready")


def test_the_level_is_in_force_at_once_and_client_libraries_say_warnings_only(root, capsys):
    set_up_logging(settings(level="DEBUG"), "n1")
    logging.getLogger("x").debug("fine")
    logging.getLogger("httpx").info("chatter")
    set_up_logging(settings(level="ERROR"), "n1")
    logging.getLogger("x").warning("no more")
    logging.getLogger("httpx").warning("no more")
    assert [json.loads(line)["message"] for line in said(capsys)] == ["fine"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_line_has_a_secret_whoever_writes_it(root, capsys, tmp_path, form):
    set_up_logging(settings(format=form, file=str(tmp_path / "log")), "n1")
    try:
        fail(f"login as x:{PLANTED} refused")
    except ValueError:
        logging.getLogger("library").exception(
            "with %s", "planted-sasl", extra={"detail": {"a": [PLANTED]}, PLANTED: 1}
        )
    text = capsys.readouterr().err
    assert text == (tmp_path / "log").read_text()
    assert "planted" not in text
    assert "********" in text
    logging.getLogger("library").info("over SASL_SSL, a short story")
    assert "over SASL_SSL, a short story" in capsys.readouterr().err


def test_a_file_is_written_beside_and_put_aside_when_it_is_full(root, capsys, tmp_path):
    file = tmp_path / "made" / "worker.log"
    assert set_up_logging(settings(file=str(file), max_bytes=1024, backup_count=2), "n1") is None
    for number in range(40):
        logging.getLogger("x").info("line %d %s", number, "." * 60)
    assert len(said(capsys)) == 40
    kept = sorted(path.name for path in file.parent.iterdir())
    assert kept == ["worker.log", "worker.log.1", "worker.log.2"]
    assert all(path.stat().st_size <= 1024 for path in file.parent.iterdir())
    assert "line 39" in file.read_text()


def test_a_file_that_cannot_be_written_is_said_and_standard_error_has_the_log(root, capsys, tmp_path):
    (tmp_path / "taken").write_text("")
    for bad in (tmp_path / "taken" / "log", tmp_path, "~nobody-like-that/x"):
        fault = set_up_logging(settings(file=str(bad)), "n1")
        assert str(bad) in fault
        logging.getLogger("x").info("all the same")
        assert [json.loads(line)["message"] for line in said(capsys)] == [fault, "all the same"]


def test_each_worker_has_a_file_of_its_own():
    assert log_file_of(Path("logs/{host}/{node_id}.log"), "n1") == Path(f"logs/{socket.gethostname()}/n1.log")


def test_what_json_cannot_say_is_said_in_words():
    record = logging.makeLogRecord({"msg": "x", "where": Path("a"), "some": {1, 2}, "none": None})
    line = json.loads(JsonLines("n1").format(record))
    assert (line["where"], sorted(line["some"]), line["none"]) == ("a", [1, 2], None)
    assert PlainLines(("planted",)).format(logging.makeLogRecord({"msg": "a planted b"})).endswith("a ******** b")
