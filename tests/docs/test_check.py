"""The check of documents: every planted fault is named, nothing right is blamed."""

import json
import re
import subprocess
from pathlib import Path

import click
import pytest

from actions.modal_program import TREE, command_tree
from agents.__main__ import ROOT as COMPOSITION
from agents.cli.main import invoke
from training.__main__ import parser_called

PROJECT = Path(__file__).parents[2]

WRONG = [
    ("python -m agents plann goal=trained_dit", "did you mean 'plan'?"),
    ("python -m agents plan goal=trained_ditt", "did you mean 'trained_dit'?"),
    ("python -m agents plan goal=trained_dit presett=tiny", "did you mean 'preset'?"),
    ("python -m agents run goal=trained_dit batch=-3", "batch"),
    ("python -m agents run goal=trained_dit max_cost=cheap", "not a number of dollars"),
    ("python -m agents runs --jason", "did you mean '--json'?"),
    ("python -m agents runs gaol=trained_dit", "did you mean 'goal'?"),
    ("python -m agents adr lst", "did you mean 'list'?"),
    ("python -m agents adr accept seven", "'seven' is not a valid integer"),
    ("python -m agents adr supersede 3", "NEW is missing"),
    ("python -m agents explain dit_traind", "did you mean 'dit_trained'?"),
    ("python -m agent plan goal=trained_dit", "did you mean 'agents'?"),
    ("python -m training trian --preset tiny", "did you mean 'train'?"),
    ("python -m training train --prest tiny", "did you mean '--preset'?"),
    ("make chek", "did you mean 'check'?"),
    ("modal token list", "modal token has no command 'list'"),
    ("modal volum ls cats", "did you mean 'volume'?"),
    ("modal volume get cats", "REMOTE_PATH is missing"),
    ("modal run training/loop.py data/cats", "unexpected extra argument 'data/cats'"),
    ("modla app list", "did you mean 'modal'?"),
]

RIGHT = """\
# Commands that are right

```bash
source .venv/bin/activate              # don't parse "this
.venv/bin/python -m agents plan goal=trained_dit steps=500 --json | tail -1
AGENTS_STATE=/tmp/x python -m agents run goal=trained_dit \\
    preset=smoke dataset=my/photos > log.txt 2>&1 && python -m agents show last
python -m agents explain prune_checkpoints goal=trained_dit
python -m agents explain goal=trained_dit
python -m agents adr accept 7 by=Ada
python -m agents runs goal=trained_dit status=done state=DIR
python -m agents run goal=trained_dit plan_digest=DIGEST max_cost=$CAP
python -m training train --preset tiny --volume volume steps=20
python -m training export --key <key> weights.safetensors
python -m pytest tests/docs -q
make test WORKERS=4
make -j 2 check
for run in one two; do python -m agents show $run; done
cat <<'EOF' > note.txt
python -m agents nonsense
EOF
modal token new && modal token set --token-id ID --token-secret SECRET
modal volume get cats checkpoints/dit --force
modal profile list --json
git commit -m "python -m agents nonsense"
```

```console
$ python -m agents goals
goal=trained_dit
  python -m agents is printed here, wrong or not
```

In a sentence: `python -m agents`, `python -m agents adr …`, `make`, `modal volume get`,
`python -m agents adr list|new|check`, `python -m agents explain NAME [goal=G] [--json]`,
`modal run FILE`, `python -m agents COMMAND key=value… [--json]`, `goap plan goal=documented`,
`modal.Image.debian_slim`, `Image.open`, `make_context`, `torch.nn.Linear(in_features=3)`.

```python
import modal
from modal import Image, Volume

image = Image.debian_slim().uv_pip_install("torch").add_local_python_source("training")
app = modal.App("cats")


@app.function(image=image, gpu="A10G", timeout=60)
def train(key: str) -> None:
    Volume.from_name("cats", create_if_missing=True).commit()
```

```yaml
steps:
  - run: make check
  - run: |
      python -m agents doctor
```
"""


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """Checks one page that lies in this project's words, and returns the findings."""
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_bytes((PROJECT / name).read_bytes())
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "loop.py").write_text("", encoding="utf-8")
    (tmp_path / "tests" / "docs").mkdir(parents=True)

    def check(text, *, name="page.md"):
        page = tmp_path / name
        page.write_text(text, encoding="utf-8")
        code = invoke(COMPOSITION, ["docs", "check", str(page), "--json"])
        data = json.loads(capsys.readouterr().out)["data"]
        assert code == (1 if data["findings"] else 0)
        return data

    return check


def messages(data):
    return [each["message"] for each in data["findings"]]


def test_twenty_planted_wrong_commands_are_each_named_with_line_and_nearest_word(check):
    lines = ["# Page", "", "```bash", *(command for command, _ in WRONG), "```"]
    found = check("\n".join(lines))["findings"]
    assert [(each["line"], each["quoted"]) for each in found] == [
        (number, command) for number, (command, _) in enumerate(WRONG, start=4)
    ]
    for each, (_, said) in zip(found, WRONG, strict=True):
        assert said in each["message"]
    print(f"{len(WRONG)} wrong commands planted, {len(found)} named")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("goap plan goal=bread loaves=2 state=DIR", ""),
        ("goap run goal=bread loaves=2 max_cost=5 --json", ""),
        ("goap explain goal=bread", ""),
        ("goap run goal=bred loaves=2", "no goal is called 'bred'"),
        ("goap run goal=bread loavse=2", "'loavse'"),
        ("goap run goal=bread max_cots=5", "did you mean 'max_cost'?"),
        ("goap rnu goal=bread", "did you mean 'run'?"),
        ("goap run goal=trained_dit loaves=2", "'loaves'"),
    ],
)
def test_a_goal_that_only_the_reader_has_takes_the_words_that_the_page_says(check, command, said):
    page = f"# Page\n\n<!-- docs check: goal bread loaves -->\n\n```bash\n{command}\n```\n"
    found = messages(check(page))
    assert [said in each for each in found] == ([True] if said else [])


@pytest.mark.parametrize(
    ("command", "right"),
    [
        ("goap logs last~2 -f", True),
        ("goap stop a1b2c3d4", True),
        ("goap logs KEY --lines 3", True),
        ("goap logs lsat", False),
        ("goap show a1b2c3d4", False),
    ],
)
def test_a_command_about_a_run_or_a_key_is_told_one(check, command, right):
    found = messages(check(f"# Page\n\n```bash\n{command}\n```\n"))
    assert (found == []) is right


SUBCOMMANDS = {
    "train": ("--data my/photos --preset tiny steps=20", "--prest tiny", "--preset"),
    "prepare": ("my/photos --image-size 64", "--image-sise 64", "--image-size"),
    "list": ("--volume .goap/volume", "--volumes .goap/volume", "--volume"),
    "verify": ("--key KEY", "--keey KEY", "--key"),
    "prune": ("--key KEY --dry-run", "--key KEY --dri-run", "--dry-run"),
    "export": (
        "--key KEY cats.safetensors",
        "--key KEY out.safetensors --avrage ema",
        "--average",
    ),
    "sample": ("--key KEY cats.png --count 16", "--key KEY cats.png --cuont 16", "--count"),
    "pin": ("--key KEY 2000", "--key KEY 2000 --remov-it", "--remove"),
    "stop": ("--key KEY --compute modal", "--key KEY --compute mars", "invalid choice: 'mars'"),
}
"""Word after ``goap training`` → what may follow it, what may not, and what is said of that."""


@pytest.mark.parametrize("program", ["goap training", "python -m agents training"])
def test_every_command_of_the_runner_is_judged_where_goap_passes_it_on(check, program):
    right = [f"{program} {name} {words}" for name, (words, _, _) in SUBCOMMANDS.items()]
    wrong = [f"{program} {name} {words}" for name, (_, words, _) in SUBCOMMANDS.items()]
    misspelt = [f"{program} {name[:-1]}x" for name in SUBCOMMANDS]
    lines = ["# Page", "", "```bash", *right, *wrong, *misspelt, program, "```"]
    found = check("\n".join([*lines, "", f"So `{program} …`, or `{program} list`."]))["findings"]
    assert [each["quoted"] for each in found] == [*wrong, *misspelt, program]
    said = [*(each for _, _, each in SUBCOMMANDS.values()), *("invalid choice" for _ in misspelt)]
    for each, expected in zip(found, [*said, "the following arguments"], strict=True):
        assert each["message"].startswith(program)
        assert expected in each["message"]


def test_the_runner_has_no_command_that_is_not_judged(capsys):
    with pytest.raises(SystemExit):
        parser_called("goap training").parse_args(["--help"])
    listed = re.findall(r"^    ([a-z]+) ", capsys.readouterr().out, re.MULTILINE)
    assert set(listed) == set(SUBCOMMANDS)


@pytest.mark.parametrize(
    ("command", "said"),
    # a sentence may name a command without its arguments, and `modla` may be anything there
    [pair for pair in WRONG if "is missing" not in pair[1] and not pair[0].startswith("modla")],
)
def test_a_wrong_command_in_a_sentence_is_named(check, command, said):
    assert any(said in message for message in messages(check(f"Do `{command}` first.\n")))


def test_a_page_of_right_commands_is_not_blamed(check):
    data = check(RIGHT)
    assert messages(data) == []
    print(f"{data['commands']} right commands, {len(data['findings'])} named")
    assert data["commands"] >= 33
    others = {each["command"].split()[0] for each in data["not_judged"]}
    assert others == {"cat", "done", "for", "git", "tail"}


def test_05_an_unexpected_extra_argument_is_named_before_an_app_exists(check, tmp_path):
    app = (
        "import modal\napp = modal.App()\n\n"
        "@app.local_entrypoint()\ndef main(data_dir: str, dry: bool = False):\n    1 / 0\n"
    )
    (tmp_path / "app.py").write_text(app, encoding="utf-8")
    assert messages(check("`modal run app.py --data-dir cats --no-dry`")) == []
    assert messages(check("`modal run -d app.py::main --data-dir=cats`")) == []
    (message,) = messages(check("```yaml\n- run: modal run app.py data/cats\n```"))
    assert "unexpected extra argument 'data/cats'" in message
    assert "did you mean '--data-dir'" in messages(check("`modal run app.py --datadir x`"))[0]
    assert "did you mean 'main'" in messages(check("`modal run app.py::mian`"))[0]
    assert "there is no file gone.py" in messages(check("`modal run gone.py`"))[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("`Image.uv_pip_install_from_requirements`", "did you mean 'pip_install_from_requir"),
        ("`modal.gpu`", "modal has no 'gpu'"),
        ("`modal.gpu.A100(count=2)`", "modal has no 'gpu'"),
        ("`Volume.copy_local_dir(path)`", "modal.Volume has no 'copy_local_dir'"),
        ("`@app.function(spot=True)`", "no parameter 'spot'"),
        ("`@app.function(concurrency_limit=3)`", "no parameter 'concurrency_limit'"),
        ("`torch.nn.Liner`", "did you mean 'Linear'?"),
        ("use `torch.compile_all(model)` now", "torch has no 'compile_all'"),
        ("```python\nfrom modal import gpu\n```", "there is no modal.gpu"),
        ("```python\nimport modal.gpu\n```", "there is no module modal.gpu"),
        (
            "```python\nimport modal as m\nm.Image.debian_slim().uv_pip_instal('x')\n```",
            "did you mean 'uv_pip_install'?",
        ),
        (
            "```python\nimport modal\napp = modal.App()\n@app.function(spot=1)\ndef f(): ...\n```",
            "no parameter 'spot'",
        ),
        ("```python\nresult = modal.gpus.A100(…)\n```", "modal has no 'gpus'"),
    ],
)
def test_20_an_api_that_does_not_exist_is_named(check, text, said):
    data = check(text)
    assert len(data["findings"]) == 1
    assert data["findings"][0]["kind"] == "api"
    assert said in data["findings"][0]["message"]


def test_modal_token_list_does_not_exist(check):
    (found,) = check("Look with `modal token list`.")["findings"]
    assert found["kind"] == "command"
    assert "there are: info, new, rotate, set" in found["message"]


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("[x](gone.md)", "link", "there is no file gone.md"),
        ("![x](pictures/gone.png)", "link", "there is no file"),
        ('<img src="gone.svg">', "link", "there is no file gone.svg"),
        ("# One\n\n[x](#two)", "link", "no heading 'two'; there are: one"),
        ("`training/lop.py`", "file", "did you mean 'loop.py'?"),
        ("`trainin/`, `trainng/loop.py`", "file", "there is no file trainng/loop.py"),
        ("```bash\npython scripts/gone.py\n```", "command", "there is no file scripts/gone.py"),
        ("# A\n## B\ntext\n## B\n", "heading", "the heading of line 2 again"),
        ("```bash\npython -m agents show 'last\n```", "command", "cannot be read as shell"),
    ],
)
def test_a_file_link_or_heading_that_is_not_right_is_named(check, text, kind, said):
    (found,) = check(text)["findings"]
    assert (found["kind"], said in found["message"]) == (kind, True), found


@pytest.mark.parametrize(
    "text",
    [
        "[a](page.md) [b](page.md#one) [c](https://example.org/x.md) [d](mailto:a@b)\n\n# One",
        "`training/loop.py` `training/` `plans/INDEX.md` `checkpoints/x` `a/b` `and/or`",
        "# V1\n## Added\n# V2\n## Added",
        "---\nname: x\ndescription: y\n---\n# One\n\n[a](#one)",
        "`path/NAME.py` `plans/ADR-NNN-slug.md` `modal.toml` `agents.md`",
    ],
)
def test_what_is_there_is_not_blamed(check, text):
    assert messages(check(text)) == []


def test_a_page_may_quote_what_is_wrong_on_purpose_and_that_is_counted(check):
    page = "<!-- docs check: off -->\n`modal token list`\n<!-- docs check: on -->\n\n`make chek`\n"
    data = check(page)
    assert [each["line"] for each in data["findings"]] == [5]
    assert data["lines_exempted"] == 2


def test_the_text_for_a_person_names_file_and_line(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n`modal token list`\n", encoding="utf-8")
    assert invoke(COMPOSITION, ["docs", "check", str(page)]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("page.md:3  command  modal token list\n")
    assert printed.endswith("1 pages, 1 commands parsed: 1 finding\n")


def test_pages_of_a_folder_are_those_of_git_that_are_not_hidden(tmp_path, capsys):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("ignored.md\n", encoding="utf-8")
    for name in ("ignored.md", "README.md", ".agents/skills/a/SKILL.md", ".cache/x.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("`modal token list`\n", encoding="utf-8")
    assert invoke(COMPOSITION, ["docs", "check", str(tmp_path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["data"]["findings"]
    assert [each["path"] for each in found] == [".agents/skills/a/SKILL.md", "README.md"]


def test_a_page_that_is_not_there_is_a_usage_error(tmp_path, capsys):
    assert invoke(COMPOSITION, ["docs", "check", str(tmp_path / "gone.md")]) == 2
    assert "there is no page" in capsys.readouterr().err


def test_the_private_command_tree_of_modal_is_where_it_was():
    tree = command_tree()
    assert TREE == ("modal.cli.entry_point", "entrypoint_cli")
    assert {"run", "deploy", "volume", "token"} <= set(tree.list_commands(click.Context(tree)))


def test_no_other_module_imports_the_private_command_tree():
    found = [
        path.name
        for room in ("agents", "actions")
        for path in sorted((PROJECT / room).rglob("*.py"))
        if "modal.cli" in path.read_text(encoding="utf-8")
    ]
    assert found == ["modal_program.py"]


def test_nothing_that_a_page_quotes_is_run(check, tmp_path):
    (tmp_path / "app.py").write_text("open('ran', 'w').close()\n", encoding="utf-8")
    check("`modal run app.py`\n\n```bash\npython app.py; modal shell; touch ran\n```\n")
    assert not (tmp_path / "ran").exists()
    assert not Path("ran").exists()
