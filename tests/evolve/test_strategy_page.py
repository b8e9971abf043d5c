"""The page for authors of strategies: its example keeps the contract, and its commands play it."""

import re
import shlex
from pathlib import Path

import pytest
from small_landscape import small_cache

import evolve.search
from evolve.cli import strategies

PAGE = Path(evolve.search.__file__).with_name("README.md").read_text()
EXAMPLE, CONTRACT = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"\| `(.*?)` \|", PAGE)

_names = {"__name__": __name__}
for block in (EXAMPLE, CONTRACT):
    exec(compile(block, "evolve/search/README.md", "exec"), _names)
TestElite = _names["TestElite"]


@pytest.fixture
def words(tmp_path, monkeypatch):
    """The words of a command of the page, with files that are there and few seeds."""
    monkeypatch.setattr("evolve.replay.games.cores", lambda: 1)
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text(EXAMPLE)
    spaces = tmp_path / "spaces"
    spaces.mkdir()
    there = {"matmul.json.gz": str(small_cache(spaces / "made_up.json")), "spaces/": str(spaces)}

    def of(program):
        (command,) = (one for one in COMMANDS if one.startswith(program))
        told = [there.get(word, word) for word in shlex.split(command.removeprefix(program))]
        return [word.replace("mine.py", str(tmp_path / "mine.py")) for word in told] + ["--seeds", "2"]

    return of


def test_the_example_is_replayed_on_a_recorded_space(words, evolve):
    code, out, err = evolve("replay", *words("evolve replay"), "--budget", "20", "--no-control")
    assert code == 0, err
    assert "mine.py:Elite" in out
    assert "stalled" not in err


def test_the_example_plays_beside_others(words, monkeypatch, capsys):
    given = words("python -m benchmarks.suites.strategies")
    monkeypatch.setattr("sys.argv", ["strategies", *given, "--budget", "12", "--rivals", "none"])
    strategies.main()
    assert "mine.py:Elite, no control arm" in capsys.readouterr().out
