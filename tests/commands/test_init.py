"""``goap init``: a job for a script that is there, read and never run; nothing is overwritten."""

import ast
import json
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import skills_ref

from actions.init.arguments import arguments_of

TRAIN = """
import argparse

raise SystemExit("nobody runs this")
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=300, help="optimizer steps")
parser.add_argument("--lr", type=float, default=3e-3)
"""


@pytest.fixture
def folder(desk):
    return desk.folder


def job_of(folder):
    """The call of Training in the job file, by keyword."""
    tree = ast.parse((folder / "job.py").read_text("utf-8"))
    (call,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Training"
    )
    return {"name": ast.literal_eval(call.args[0])} | {
        each.arg: each.value.id if isinstance(each.value, ast.Name) else _literal(each.value)
        for each in call.keywords
    }


def _literal(node):
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def settings_of(folder):
    """The fields of the settings as they are written."""
    text = (folder / "job.py").read_text("utf-8")
    (body,) = (
        node.body
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    )
    return [ast.unparse(each) for each in body]


def data_of(printed):
    return json.loads(printed.out)["data"]


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def formatted(folder):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "job.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_the_job_of_a_script_is_what_the_pages_show(desk, folder):
    (folder / "train_lm.py").write_text(TRAIN, encoding="utf-8")
    desk.goap("init", "train_lm.py", "--name", "char_lm", "--gpu", "A10G")
    text = (folder / "job.py").read_text("utf-8")
    begin = text.index("class Settings"), text.index("    # Where this")
    assert text[slice(*begin)] == (
        "class Settings(BaseModel):\n"
        '    steps: int = Field(300, ge=1, description="optimizer steps")\n'
        "    lr: float = Field(0.003, gt=0)\n"
        "\n\n"
        "char_lm = Training(\n"
        '    "char_lm",\n'
        "    settings=Settings,\n"
        '    command="python train_lm.py --steps {steps} --lr {lr}",\n'
        '    source=["train_lm.py"],\n'
        '    gpu="A10G",\n'
        '    smoke={"steps": 2},\n'
    )
    assert text.endswith(")\nCATALOGUE = toolkit(char_lm)\n")
    assert tomllib.loads((folder / "pyproject.toml").read_text("utf-8")) == {
        "tool": {"goap": {"catalogue": "job:CATALOGUE"}}
    }
    assert (folder / ".gitignore").read_text("utf-8") == ".goap/\n"


def test_it_says_what_it_wrote_and_what_to_type_next(desk, folder):
    (folder / "fit.py").write_text(TRAIN, encoding="utf-8")
    printed = desk.goap("init", "fit.py").out
    assert "  wrote     job.py\n" in printed
    assert " run goal=fit_trained " in printed


def test_as_json_it_is_one_document(desk, folder):
    (folder / "fit.py").write_text(TRAIN, encoding="utf-8")
    (folder / ".gitignore").write_text("*.pyc\n", encoding="utf-8")
    data = data_of(desk.goap("init", "fit.py", "--json"))
    assert data["written"] == [".agents/skills/fit/SKILL.md", "job.py", "pyproject.toml"]
    assert data["added_to"] == [".gitignore"]
    assert data["goal"] == "fit_trained"


def test_an_empty_folder_gets_an_example_that_trains_by_itself(desk, folder):
    desk.goap("init", "--name", "circle")
    assert job_of(folder)["gates"] == "[Gate('val_loss', '<=', 0.2)]"
    assert formatted(folder) == ""
    done = subprocess.run(
        [sys.executable, "train.py", "--steps", "300"],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "run" / "result.json").read_text("utf-8"))["val_loss"] <= 0.2
    assert len((folder / "train.py").read_text("utf-8").splitlines()) <= 50


def test_the_contract_is_copied_for_who_does_not_want_our_package_in_a_container(desk, folder):
    desk.goap("init", "--copy-contract")
    assert job_of(folder)["source"] == ["train.py", "goap_contract.py"]
    assert "from goap_contract import run" in (folder / "train.py").read_text("utf-8")
    ours = Path(__file__).parents[2] / "training" / "contract.py"
    assert (folder / "goap_contract.py").read_bytes() == ours.read_bytes()
    program = (
        "import runpy, sys\nsys.path[:0] = ['.']\nsys.argv = ['train.py', '--steps', '3']\n"
        "runpy.run_path('train.py')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_kind_of_argument_is_a_setting_a_place_or_named_with_why_it_is_none(desk, folder):
    (folder / "photos").mkdir()
    (folder / "photos" / "1.png").write_bytes(b"1")
    (folder / "cfg.yaml").write_text("a: 1\n", encoding="utf-8")
    (folder / "fit.py").write_text(
        "import argparse\n"
        "STEPS = 200\n"
        "p = argparse.ArgumentParser()\n"
        "group = p.add_argument_group('all')\n"
        "group.add_argument('--max-steps', '-n', type=int, default=STEPS)\n"
        "p.add_argument('--output_dir', default='out')\n"
        "p.add_argument('--resume')\n"
        "p.add_argument('--data-dir', default='photos')\n"
        "p.add_argument('--optimizer', choices=['adam', 'sgd'], default='adam')\n"
        "p.add_argument('--width', default=64)\n"
        "p.add_argument('--gpu', type=int, default=0, help='which \"one\"')\n"
        "p.add_argument('--copy', type=float, default=1)\n"
        "p.add_argument('--amp', action='store_true')\n"
        "p.add_argument('--betas', nargs=2, type=float, default=(0.9, 0.99))\n"
        "p.add_argument('--seed', type=int)\n"
        "p.add_argument('--layers', default=STEPS // 50)\n"
        "p.add_argument('--config', default='cfg.yaml')\n"
        "p.add_argument('--version', action='version', version='1')\n",
        encoding="utf-8",
    )
    data = data_of(desk.goap("init", "fit.py", "--json"))
    assert settings_of(folder) == [
        "max_steps: int = Field(200, ge=1)",
        "optimizer: Literal['adam', 'sgd'] = 'adam'",
        "width: int = 64",
        "gpu_: int = Field(0, description='which \"one\"')",
        "copy_: float = 1.0",
    ]
    job = job_of(folder)
    assert job["command"] == (
        "python fit.py --max-steps {max_steps} --output_dir {run_dir} --resume={resume}"
        " --data-dir {data_dir} --optimizer {optimizer} --width {width} --gpu {gpu_} --copy {copy_}"
    )
    assert (job["data"], job["target"], job["smoke"]) == ("photos", "max_steps", {"max_steps": 2})
    assert job["source"] == ["fit.py", "cfg.yaml"]
    assert {each["argument"]: each["because"] for each in data["left_out"]} == {
        "--amp": "it is on or off",
        "--betas": "it has several values",
        "--seed": "nothing is its default",
        "--layers": "its default is worked out",
        "--config": "it names a file that is shipped",
    }
    assert formatted(folder) == ""


@pytest.mark.parametrize("head", ["import click", "from click import option, argument, Choice"])
def test_arguments_of_click_are_found_too(head):
    name = "click." if head == "import click" else ""
    found = arguments_of(
        ast.parse(
            f"{head}\n"
            f"@{name}option('-s', '--steps', default=10, show_default=True, help='how many')\n"
            f"@{name}option('--kind', type={name}Choice(['a', 'b']), default='a')\n"
            f"@{name}option('--fast/--slow', default=True)\n"
            f"@{name}option('--rate', 'lr', type=float, default=0.1)\n"
            f"@{name}option('--quiet', is_flag=True)\n"
            f"@{name}argument('corpus')\n"
            "def main(): ...\n"
        )
    )
    assert [(each.name, each.flag, each.kind, each.default) for each in found] == [
        ("steps", "--steps", int, 10),
        ("kind", "--kind", str, "a"),
        ("fast", "--fast", str, True),
        ("lr", "--rate", float, 0.1),
        ("quiet", "--quiet", str, None),
        ("corpus", "", str, None),
    ]
    assert [each.name for each in found if each.odd] == ["fast", "quiet"]
    assert found[1].choices == ("a", "b")
    assert found[-1].required


def test_modules_beside_the_script_are_shipped_and_their_arguments_found(desk, folder):
    (folder / "fit.py").write_text("from lib import flags\nimport model\nimport os\n", "utf-8")
    (folder / "model.py").write_text("import flax_of_nobody\n", "utf-8")
    (folder / "lib").mkdir()
    (folder / "lib" / "__init__.py").write_text("", "utf-8")
    (folder / "lib" / "flags.py").write_text(TRAIN, "utf-8")
    data = data_of(desk.goap("init", "fit.py", "--json"))
    assert job_of(folder)["source"] == ["fit.py", "lib", "model.py"]
    assert [each.partition(":")[0] for each in settings_of(folder)] == ["steps", "lr"]
    assert data["missing"] == ["flax_of_nobody"]
    assert "flax_of_nobody" in (folder / "job.py").read_text("utf-8")


CLICK = f"click=={version('click')}"
PROJECT = "[project]\nname='x'\nversion='1'\ndependencies="


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, [CLICK]),
        ({"pyproject.toml": f"{PROJECT}['click>=8', 'a[x]==1']\n"}, [CLICK, "a[x]==1"]),
        ({"requirements.txt": "a==1\n"}, "requirements.txt"),
        ({"requirements.txt": "# ours\na==1\n\nclick  # any\n"}, ["a==1", CLICK]),
        ({"requirements.txt": "-r other.txt\nclick\n", "other.txt": ""}, "requirements.txt"),
        ({"requirements.txt": "a==1\n", "uv.lock": "version = 1\n"}, "uv.lock"),
    ],
)
def test_requirements_are_what_a_file_says_else_what_is_installed(desk, folder, files, expected):
    (folder / "fit.py").write_text("import click\nfrom training.contract import run\n", "utf-8")
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    desk.goap("init", "fit.py")
    assert job_of(folder)["requirements"] == expected


def test_a_requirement_without_a_version_anywhere_is_named(desk, folder):
    (folder / "fit.py").write_text("", "utf-8")
    (folder / "requirements.txt").write_text("click\nof-nobody>=2\n", "utf-8")
    assert data_of(desk.goap("init", "fit.py", "--json"))["missing"] == ["of-nobody>=2"]
    assert job_of(folder)["requirements"] == [CLICK]


CLICKS = """
import click


@click.option("--words", default=2)
@click.argument("json")
def fit(words, json): ...
"""

FOREIGN = """
p.add_argument("--volume", default="x")
p.add_argument("--settings-of", type=int)
p.add_argument("--resume")
p.add_argument("--out", default="o")
"""


@pytest.mark.parametrize("script", [TRAIN, CLICKS, FOREIGN])
def test_what_is_written_is_understood(desk, folder, script):
    (folder / "fit.py").write_text(script, encoding="utf-8")
    desk.goap("init", "fit.py", "--gpu", "A10G, H100:8")
    plan = desk.begins("plan", "goal=fit_trained", "--json")
    out, err = plan.communicate()
    assert plan.returncode == 0, err
    assert json.loads(out)["data"]["status"] == "optimal"


def test_a_command_that_is_said_is_taken_as_it_is(desk, folder):
    (folder / "fit.py").write_text(TRAIN, encoding="utf-8")
    desk.goap("init", "--command", "torchrun --nproc-per-node 2 fit.py --lr {lr} --width {width}")
    assert job_of(folder)["command"] == (
        "torchrun --nproc-per-node 2 fit.py --lr {lr} --width {width}"
    )
    assert settings_of(folder) == ["lr: float = Field(0.003, gt=0)", "width: str = ''"]
    assert job_of(folder)["target"] is None


def test_what_a_script_wants_to_be_told_has_a_guess_that_is_named(desk, folder):
    (folder / "fit.py").write_text(
        "import argparse\n"
        "p = argparse.ArgumentParser()\n"
        "p.add_argument('corpus')\n"
        "p.add_argument('--steps', type=int, required=True)\n"
        "p.add_argument('--kind', choices=['a', 'b'], required=True)\n",
        encoding="utf-8",
    )
    printed = desk.goap("init", "fit.py", "--json")
    assert settings_of(folder) == [
        "corpus: str = ''",
        "steps: int = Field(100, ge=1)",
        "kind: Literal['a', 'b'] = 'a'",
    ]
    assert data_of(printed)["guessed"] == ["corpus", "steps", "kind"]
    assert "job.py has a guess: corpus, steps, kind" in printed.err


def test_an_empty_folder_holds_no_data(desk, folder):
    (folder / "data").mkdir()
    (folder / "fit.py").write_text("from training.contract import run\n", encoding="utf-8")
    desk.goap("init", "fit.py")
    assert "data" not in job_of(folder)


def test_a_script_of_another_language_is_started_as_its_ending_says(desk, folder):
    (folder / "fit.sh").write_text('cd "$GOAP_RUN_DIR"\n', encoding="utf-8")
    desk.goap("init", "fit.sh")
    job = job_of(folder)
    assert (job["command"], job["source"], job["target"]) == ("bash fit.sh", ["fit.sh"], None)
    assert "settings" not in job


def test_what_a_script_measures_is_offered_as_a_gate(desk, folder):
    (folder / "fit.py").write_text(
        "from training.contract import run\nrun.finish(accuracy=1)\n", encoding="utf-8"
    )
    desk.goap("init", "fit.py")
    text = (folder / "job.py").read_text("utf-8")
    assert '    # gates=[Gate("accuracy", "<=", 1.0)],\n' in text
    assert "checkpoints=" not in text


PYPROJECTS = [
    b"",
    b"# a comment at the end, and no line after it",
    b'[project]\nname = "x"\n',
    b'[project]\r\nname = "\xc3\xa4"\r\n\r\n[tool.ruff]\r\nline-length = 99\r\n',
    b'[tool]\nother.key = 1\n\n\n\n[[tool.mypy.overrides]]\nmodule = "a"\n',
]


@pytest.mark.parametrize("before", PYPROJECTS)
def test_pyproject_keeps_every_byte_and_names_the_catalogue(desk, folder, before):
    (folder / "pyproject.toml").write_bytes(before)
    desk.goap("init")
    after = (folder / "pyproject.toml").read_bytes()
    assert after.startswith(before)
    assert b"\n" not in after.replace(b"\r\n", b"") or b"\r\n" not in before
    known = tomllib.loads(after.decode())
    assert known["tool"].pop("goap") == {"catalogue": "job:CATALOGUE"}
    assert {**known, "tool": known["tool"] or None} == {
        "tool": None,
        **tomllib.loads(before.decode()),
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"*.pyc", b"*.pyc\n.goap/\n"),
        (b"*.pyc\r\n", b"*.pyc\r\n.goap/\r\n"),
        (b"/.goap\n", b"/.goap\n"),
    ],
)
def test_git_ignores_the_state_and_what_it_ignored(desk, folder, before, after):
    (folder / ".gitignore").write_bytes(before)
    desk.goap("init")
    assert (folder / ".gitignore").read_bytes() == after


@pytest.mark.parametrize(
    ("files", "words", "said"),
    [
        ({"pyproject.toml": '[tool.goap]\ncatalogue = "x:Y"\n'}, [], "has [tool.goap] already"),
        ({"pyproject.toml": 'tool = { goap = { catalogue = "x:Y" } }\n'}, [], "already"),
        ({"pyproject.toml": "tool = { a = 1 }\n"}, [], "cannot take [tool.goap]"),
        ({"pyproject.toml": "[tool\n"}, [], "is not TOML"),
        ({"job.py": ""}, [], "job.py is there already, and nothing was written"),
        ({"fit.py": "", "a.py": ""}, [], "which script? There are a.py, fit.py"),
        ({}, ["fit.py"], "there is no script fit.py"),
        ({}, ["../fit.py"], "there is no script"),
        ({"fit.py": "x = (\n"}, ["fit.py"], "fit.py:1: "),
        ({"fit.py": ""}, ["fit.py", "--name", "My Model"], "small letters, digits and _"),
        ({"fit.py": ""}, ["--command", "torchrun 'x"], "No closing quotation"),
        ({"fit.py": ""}, ["--command", "torchrun x.py"], "no word of it is a file here"),
    ],
)
def test_what_cannot_be_begun_is_said_and_nothing_is_written(desk, folder, files, words, said):
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    before = files_of(folder)
    printed = desk.goap("init", *words, code=2)
    assert said in printed.err
    assert "fix: " in printed.err
    assert files_of(folder) == before


def test_a_second_time_it_changes_nothing(desk, folder):
    desk.goap("init")
    before = files_of(folder)
    assert "has [tool.goap] already" in desk.goap("init", "train.py", code=2).err
    assert files_of(folder) == before


def test_a_skill_that_is_there_is_kept(desk, folder):
    skill = folder / ".agents" / "skills" / "circle" / "SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text("mine", encoding="utf-8")
    assert data_of(desk.goap("init", "--name", "circle", "--json"))["kept"] == [
        ".agents/skills/circle/SKILL.md"
    ]
    assert skill.read_text("utf-8") == "mine"


def test_the_skill_is_one_that_agents_accept(desk, folder):
    (folder / "fit.py").write_text(TRAIN, encoding="utf-8")
    desk.goap("init", "fit.py", "--name", "my_lm")
    skill = folder / ".agents" / "skills" / "my-lm"
    assert skills_ref.validate(skill) == []
    text = (skill / "SKILL.md").read_text("utf-8")
    assert "| `steps=` | `300` | optimizer steps |" in text
    assert "goap plan goal=my_lm_trained --json" in text


@pytest.mark.parametrize(
    ("script", "folder", "name"),
    [
        ("train_lm.py", "x", "train_lm"),
        ("Train-LM 2.py", "x", "train_lm_2"),
        ("train.py", "my-model", "my_model"),
        ("main.py", "2024", "main"),
        ("class.py", "x", "model"),
        ("src/train.py", "toolkit", "train"),
    ],
)
def test_a_training_is_called_after_its_script_or_its_folder(tmp_path, script, folder, name):
    from actions.init.declaration import name_of

    (tmp_path / folder).mkdir()
    assert name_of(script, tmp_path / folder) == name
