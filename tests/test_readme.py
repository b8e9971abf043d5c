"""The README's code blocks run as they stand; commands with a small problem in place of a long one."""

import re
import shlex
from pathlib import Path

import pytest

import kernels
from evolve.cli.main import execute

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text(), re.DOTALL)
SHORT = {"--size": "64", "--budget": "16evals"}


def blocks(language):
    return [text for name, text in BLOCKS if name == language]


def shortened(command):
    """The command with its size and budget replaced, so that the suite stays short; on whatever machine."""
    words = shlex.split(command)[1:]
    short = [SHORT.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    return [*short, "--anyway"] if words[0] == "run" else short


def test_the_python_example_runs():
    exec(compile(blocks("python")[0], "README.md", "exec"), {})


def test_the_diff_of_the_readme_makes_a_kernel(tmp_path):
    added = [line[1:] for line in blocks("diff")[0].splitlines() if line.startswith("+") and line[:3] != "+++"]
    file = tmp_path / "rmsnorm.py"
    file.write_text("".join(f"{line}\n" for line in added))
    assert file.read_text() == (README.parent / "kernels" / "rmsnorm.py").read_text(), "the README shows an older one"
    assert f"@@ -0,0 +1,{len(added)} @@" in blocks("diff")[0]
    assert kernels.get(str(file)).name == "rmsnorm"
    assert execute(["kernels", "check", str(file), "--schedules", "1"]) == 0


@pytest.mark.slow
def test_the_commands_of_the_readme_work_one_after_the_other(real_store, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOLVE_STORE", str(real_store))
    commands = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ evolve")]
    assert commands
    for command in commands:
        code = execute(shortened(command))
        # a busy machine may be called too noisy to judge, which is an answer
        assert code in ({0, 4} if "doctor" in command else {0}), (command, capsys.readouterr().err)
