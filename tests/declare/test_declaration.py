"""Everything wrong in a declaration is said when it is imported: file, line, what to write."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from training import Training
from training.errors import ConfigError

ROOT = Path(__file__).parents[2]

JOB = """\
from pydantic import BaseModel, Field

from training import Bucket, Gate, Keep, Metrics, Prepare, Results, Training


class Settings(BaseModel):
    steps: int = Field(300, ge=1)
    lr: float = Field(3e-3, gt=0)
    batch: int = 8
    layers: dict[str, int] = {}


it = Training(
    "lm",
    settings=Settings,
    command="python train.py --steps {steps}",
    source=["train.py"],
    EXTRA
)
"""
EXTRA_LINE = JOB.splitlines().index("    EXTRA") + 1


class Folder:
    """A folder with a job, imported as a user's catalogue is."""

    def __init__(self, path):
        self.path = path

    def write(self, name, text=""):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def imported(self, text, monkeypatch):
        """The names of the job."""
        monkeypatch.chdir(self.path)
        path = self.write("job.py", text)
        names = {"__name__": "job", "__file__": str(path)}
        exec(compile(text, str(path), "exec"), names)  # noqa: S102 - a job, as it is imported
        return names

    def refused(self, text, monkeypatch):
        """What is said of the job."""
        with pytest.raises(ConfigError) as caught:
            self.imported(text, monkeypatch)
        return caught.value


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path)
    made.write("train.py", "print('trained')\n")
    made.write("other.py")
    made.write("photos/a.txt", "a")
    made.write(".hidden")
    return made


def job(extra="", **replaced):
    """The job with more arguments, or others in place of these."""
    text = JOB.replace("EXTRA", extra)
    for argument, value in replaced.items():
        text = re.sub(rf"(?m)^    {argument}=.*$", lambda _, v=f"    {argument}={value},": v, text)
    return text


WRONG = [
    # argument said, what is said of it, part of what to write
    ('source=["trian.py"],', "there is no 'trian.py' in", "did you mean 'train.py'?"),
    ('source=["nothing*.txt"],', "'nothing*.txt' matches no file", "glob"),
    ('source=["../x.py"],', "lies outside of", "root="),
    ('source=[".hidden"],', "'.hidden' is hidden", "without the dot"),
    ('source=["other.py"],', "the command names train.py", 'add "train.py" to source='),
    ('command="python train.py --steps {stepz}",', "{stepz}; did you mean 'steps'?", "add stepz"),
    ('command="python train.py {data_dir}",', "{data_dir} is empty", "say data="),
    ('command="python train.py {init}",', "{init} is empty", "say init="),
    ('command="python train.py {layers}",', "{layers} is more than one value", "$GOAP_SETTINGS"),
    ('command="python train.py {steps:d}",', "a placeholder is a name in braces", "correct"),
    ('command="python train.py \'x",', "No closing quotation", "correct"),
    ('command="",', "the command is empty", "correct"),
    ('command=["python", 3],', "3 is no text", "as a text"),
    ('command="python train.py > log.txt",', "> means something to a shell only", "shell=True"),
    ('requirements=["torch"],', "'torch' is not pinned", '"torch=='),
    ('requirements=["torch>=2"],', "'torch>=2' is not pinned", '"torch=='),
    ('requirements=["torch==2.*"],', "'torch==2.*' is not pinned", '"torch=='),
    ('requirements="requirements.txt",', "there is no 'requirements.txt'", "write the pins"),
    ('requirements=["./lib"],', "'./lib' is no requirement", "source="),
    ("requirements=[1],", "1 is no text", "as a text"),
    ("timeout=86401,", "a call lasts from 1 to 86,400 seconds", "timeout=86400"),
    ('timeout="1h",', "'1h': a call lasts", "timeout=86400"),
    ('gpu="A10H",', "there is no GPU 'A10H'; did you mean 'A10", "A10G"),
    ('gpu="A10G:5",', "1 to 4 of A10G", "A10G"),
    ('gpu="H100:9",', "1 to 8 of H100", "A10G"),
    ('gpu="H100:0",', "1 to 8 of H100", "A10G"),
    ('gpu="T4!",', "only H100", "A10G"),
    ('gpu=["H100", "GTX"],', "there is no GPU 'GTX'", "A10G"),
    ("cpu=0,", "0 is no number of cores", "1 or more"),
    ("nodes=0,", "a training has 1 to 64 machines", "nodes=2"),
    ("memory=1.5,", "1.5 is no number of megabytes", "1 or more"),
    ('micro_batch="bacth",', "no setting 'bacth'; did you mean 'batch'?", "leave micro_batch="),
    ('learning_rate="rate",', "there is no setting 'rate'", "steps, lr, batch, layers"),
    ('learning_rate="layers",', "layers is {} by default, and no number", "float"),
    ('target="epochs",', "there is no setting 'epochs'", "leave target="),
    ('target="lr",', "lr is 0.003 by default, and no number", "int"),
    ('micro_batch="steps",', "steps plays two parts", "another"),
    ('how=("steps",),', "steps changes weights", "leave it out"),
    ('how="batch",', "'batch' is no list", "how=['batch']"),
    ('smoke={"step": 2},', "no setting 'step'; did you mean 'steps'?", "correct"),
    ('smoke={"steps": 0},', "steps: Input should be greater than or equal to 1", "correct"),
    ('gates=[("val_loss", "<=", 3)],', "is no Gate", "Gate("),
    (
        'gates=[Gate("a", "<=", 3), Gate("a", ">=", 1)],',
        "two gates are called 'a'",
        "name=",
    ),
    ("keep=3,", "3 is no Keep", "Keep(last=3)"),
    ("retry_exit_codes=[0],", "0 is no exit code", "1 to 255"),
    ('checkpoints="checkpoint",', "names one directory", "checkpoint-*"),
    ('checkpoints="/ckpt-*",', "is not below the run directory", "relative"),
    ('checkpoints="../ckpt-*",', "is not below the run directory", "relative"),
    ('complete="a/b",', "is no name of a file", "name one"),
    ('metrics=Metrics("rows.txt"),', "'rows.txt' is read as JSON lines", ".csv"),
    ("metrics=Metrics(),", "rows are in a file or in the log", "file= and log="),
    (r'metrics=Metrics(log=r"step (\d+)"),', "has no group for the step", "(?P<step>"),
    ('metrics=Metrics(log="("),', "missing )", "correct"),
    ('result=Results("/abs.json"),', "is not below the run directory", "relative"),
    ('result="all.json",', "is no Results", "Results("),
    ('env={"GOAP_KEY": "x"},', "GOAP_KEY is set by the runner", "of your own"),
    ('env={"A": 1},', "'A': 1 is no text", '"A": "1"'),
    ('env={"A-B": "1"},', "'A-B' is no name of a variable", "correct"),
    ('apt="ffmpeg",', "'ffmpeg' is no list", "apt=['ffmpeg']"),
    ('apt=["ff mpeg"],', "'ff mpeg' is no package", "ffmpeg"),
    ("python=3.11,", "3.11 is no version", 'python="3.11"'),
    ('python="2.7",', "'2.7' is no version", 'python="3.11"'),
    ('secrets="wandb",', "'wandb' is no list", "secrets=['wandb']"),
    ('data="nowhere",', "there is no folder", "correct"),
    ('data="train.py",', "'train.py' is a file", "folder"),
    ('data=".",', "holds the declaration itself", "below it"),
    ("data=3,", "3 is no folder, Prepare, Bucket or training", "Prepare("),
    ('data=Prepare("python make.py {out}", source=["make.py"]),', "no 'make.py'", "correct"),
    ('data=Prepare("python other.py {to}", source=["other.py"]),', "{to}", "{out}"),
    ('data=Bucket("s3://cats/big", version="1"),', "is no name of", 'key_prefix="big/"'),
    ('data=Bucket("My Cats", version="1"),', "'My Cats' is no name", 'Bucket("cats"'),
    ('data=Bucket("cats", version=" "),', "nobody can hash the bytes", "or a digest"),
    ('data=Bucket("cats", version=2),', "version=2 is no text", 'version="…"'),
    ('data=Bucket("cats", version="1", key_prefix="big"),', "ends with /", "key_prefix='big/'"),
    ('data=Bucket("cats", version="1", key_prefix="a/../b/"),', "above another", "whole prefix"),
    ('data=Bucket("cats", version="1", endpoint_url="r2"),', "no address", "https://"),
    ('data=Bucket("cats", version="1", requester_pays=True),', "nobody is named", "secret="),
    ('init="other",', "'other' is no training", "init=OTHER"),
    ('goal="my goal",', "'my goal' is no identifier", "goal='my_goal'"),
    ('root="nowhere",', "there is no folder", "root="),
    ('beside=["nowhere.py"],', "there is no 'nowhere.py'", "correct"),
]


@pytest.mark.parametrize(("extra", "message", "fix"), WRONG, ids=[each[0] for each in WRONG])
def test_what_is_wrong_is_said_with_its_line_and_what_to_write(
    folder, monkeypatch, extra, message, fix
):
    argument = extra.partition("=")[0]
    text = job()
    if f"    {argument}=" in text:
        text = re.sub(rf"(?m)^    {argument}=.*$", lambda _: f"    {extra}", text)
    else:
        text = job(extra)
    error = folder.refused(text, monkeypatch)
    line = next(i for i, each in enumerate(text.splitlines(), 1) if each == f"    {extra}")
    assert error.message.startswith(f"job.py:{line}: {argument}= of 'lm'")
    assert message in error.message
    assert fix in f"{error.message}\n{error.fix}"


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("seed: int", "seed of Settings has no default"),
        ("resume: str = ''", "resume means something else already"),
        ("compute: str = ''", "compute means something else already"),
        ("gpu: str = ''", "gpu means something else already"),
        ("max_cost: float = 1.0", "max_cost means something else already"),
        ("seed: int = Field(0, ge=1)", "the default of seed is not allowed"),
        ("seed: int = Field(0, alias='SEED')", "seed of Settings has an alias"),
        ("rate: float = float('inf')", "rate: inf is not finite"),
        ("seed: object = object()", "seed: a object is nothing that JSON can say"),
        ("token: SecretStr = SecretStr('x')", "token: a secret is no setting"),
    ],
)
def test_settings_that_cannot_be_set_by_words_are_refused(folder, monkeypatch, field, message):
    text = (
        job()
        .replace("    batch: int = 8", f"    {field}")
        .replace("import BaseModel, Field", "import BaseModel, Field, SecretStr")
    )
    error = folder.refused(text, monkeypatch)
    line = text.splitlines().index("    settings=Settings,") + 1
    assert error.message.startswith(f"job.py:{line}: settings= of 'lm': ")
    assert message in error.message


@pytest.mark.parametrize("value", ["Settings()", "dict", "'Settings'"])
def test_settings_are_a_class_of_pydantic(folder, monkeypatch, value):
    error = folder.refused(job(settings=value), monkeypatch)
    assert "settings= of 'lm'" in error.message


@pytest.mark.parametrize("name", ["my-lm", "3d", "class", "", "a b", "_lm"])
def test_a_training_has_a_name_that_facts_can_have(folder, monkeypatch, name):
    error = folder.refused(job().replace('"lm"', repr(name)), monkeypatch)
    assert error.message.startswith("job.py:13: ")
    assert repr(name) in error.message


def test_an_error_names_the_line_of_the_call_where_the_argument_is_not_written(folder, monkeypatch):
    text = job().replace('    source=["train.py"],\n', "")
    error = folder.refused(text, monkeypatch)
    assert error.message.startswith("job.py:13: source= of 'lm': the command names train.py")


def test_a_gate_with_a_wrong_direction_says_so_at_its_line(folder, monkeypatch):
    with pytest.raises(ValueError, match='direction is "<=" or ">="'):
        folder.imported(job('gates=[Gate("val_loss", "<", 3.0)],'), monkeypatch)


RIGHT = [
    'gpu="h100:8",',
    'gpu=["H100!", "A100-80GB", "A10G:4"],',
    'micro_batch="batch", learning_rate="lr",',
    'smoke={"steps": 2},',
    'data="photos",',
    'data=Bucket("cats", version="2026-11-24", key_prefix="a/b/"),',
    'data=Bucket("a.b", version="1", secret="keys", requester_pays=True),',
    'checkpoints="checkpoint-*", complete="trainer_state.json",',
    'metrics=Metrics("log.csv", columns={"loss": "train/loss"}),',
    r'metrics=Metrics(log=r"step (?P<step>\d+) loss (?P<loss>\S+)"),',
    'result=Results("all_results.json", names={"val_loss": "eval_loss"}),',
    'gates=[Gate("val_loss", "<=", "train_loss")],',
    'env={"OMP_NUM_THREADS": "1"}, secrets=["wandb"], apt=["ffmpeg"], tags={"team": "a"},',
    'requirements=["torch==2.13.0", "numpy==2.1.0; python_version < \'3.13\'"],',
    "target=None,",
    'timeout=60, cpu=2.5, memory=4096, region="us-east",',
]


@pytest.mark.parametrize("extra", RIGHT)
def test_what_makes_sense_is_taken(folder, monkeypatch, extra):
    it = folder.imported(job(extra), monkeypatch)["it"]
    assert (it.name, it.goal_name) == ("lm", "lm_trained")
    assert it.where == "job.py:13"


ODD = [3, 0, -1, 2.5, True, None, "", "x", b"x", [], [3], [None], [""], {}, {"x": 3}, {3: "x"}]
ODD += [(), object(), type, Path("train.py"), float("nan"), lambda: 3, range(3)]


@pytest.mark.parametrize("field", [field.name for field in fields(Training) if field.init])
def test_whatever_is_said_of_an_argument_is_taken_or_refused_with_its_place(folder, field):
    usual = {"name": "lm", "command": "python train.py", "source": ["train.py"]}
    usual["root"] = folder.path
    for value in ODD:
        refusal = None
        try:
            Training(**{**usual, field: value})  # the call
        except ConfigError as error:
            refusal = error
        assert refusal is None or (THE_CALL in refusal.message and refusal.fix), value


THE_CALL = next(
    f"test_declaration.py:{number}: "
    for number, line in enumerate(Path(__file__).read_text().splitlines(), 1)
    if line.endswith("# the call")
)


def test_a_bash_script_needs_neither_settings_nor_requirements(folder, monkeypatch):
    folder.write("train.sh", "#!/bin/sh\n")
    it = folder.imported(
        "from training import Training\n"
        "it = Training('x', command='./train.sh', source='train.sh')",
        monkeypatch,
    )["it"]
    assert it.target is None


def test_files_are_relative_to_the_file_that_declares_whoever_calls(folder, monkeypatch, tmp_path):
    folder.write(
        "lib/helper.py",
        "from training import Training\ndef make(**k):\n"
        "    return Training('x', command='python a.py', source=['a.py'], **k)\n",
    )
    folder.write("lib/a.py")
    folder.write("main/a.py")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    import helper

    assert helper.make().folder == tmp_path / "lib"
    assert helper.make(root="../main").folder.resolve() == tmp_path / "main"


def test_a_copy_with_another_value_is_checked_again_and_is_of_the_same_files(folder, monkeypatch):
    import dataclasses

    it = folder.imported(job(), monkeypatch)["it"]
    other = dataclasses.replace(it, name="other")
    assert (other.folder, other.name) == (it.folder, "other")
    with pytest.raises(ConfigError, match="a call lasts"):
        dataclasses.replace(it, timeout=0)


def test_a_declaration_without_settings_imports_the_standard_library_alone(folder):
    folder.write(
        "job.py",
        "from training import Gate, Keep, Training\n"
        "Training('x', command='python train.py', source=['train.py'])\n"
        "import sys; print(sorted({each.partition('.')[0] for each in sys.modules}"
        " - sys.stdlib_module_names))\n",
    )
    done = subprocess.run(
        [sys.executable, "-S", "job.py"],
        cwd=folder.path,
        check=True,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "['__main__', 'training']\n"


def test_importing_the_package_imports_nothing_of_it():
    program = "import sys; import training; print(*(x for x in sys.modules if 'training.' in x))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == "\n"


def test_a_name_that_is_none_of_the_package_is_an_error():
    with pytest.raises(ImportError, match="Trainning"):
        exec("from training import Trainning")  # noqa: S102 - as a user writes it
