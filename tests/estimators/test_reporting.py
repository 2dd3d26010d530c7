"""What is printed while a verbose estimator is fitted."""

import logging

import pytest

from elman.estimators.reporting import reporting

logger = logging.getLogger("elman.compiling")


@pytest.fixture
def propagating():
    """The program's own logging, as it was before."""
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.mark.parametrize(("verbose", "printed"), [(True, "compiling\n"), (False, "")])
def test_compiling_is_printed_where_it_is_wanted(verbose, printed, capsys):
    with reporting(verbose, None):
        logger.info("compiling")
    logger.info("later")
    assert capsys.readouterr().out == printed


def test_what_a_program_logs_anyway_is_not_printed_as_well(propagating, capsys):
    logger.setLevel(logging.INFO)
    handler = logging.NullHandler()
    logger.addHandler(handler)
    try:
        with reporting(True, None):
            logger.info("compiling")
    finally:
        logger.removeHandler(handler)
    assert capsys.readouterr().out == ""


def test_handlers_of_a_program_get_warnings_alone(caplog, capsys):
    with reporting(True, None):
        logger.info("compiling")
        logger.warning("not kept")
    assert caplog.messages == ["not kept"]
    assert capsys.readouterr().out == "compiling\n"


def test_logging_is_left_as_it_was_by_fits_side_by_side(monkeypatch):
    monkeypatch.setattr(logger, "propagate", False)  # nobody shows what is logged
    before = (logger.level, list(logger.filters))
    one, other = reporting(True, None), reporting(True, None)
    for fit in (one, other):
        fit.__enter__()
    for fit in (one, other):
        fit.__exit__(None, None, None)
    assert (logger.level, list(logger.filters)) == before


def test_logging_is_left_as_it_was():
    before = (logger.level, list(logger.handlers), list(logger.filters))
    with pytest.raises(KeyboardInterrupt), reporting(True, None):
        raise KeyboardInterrupt
    assert (logger.level, list(logger.handlers), list(logger.filters)) == before
