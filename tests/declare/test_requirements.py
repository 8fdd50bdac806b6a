"""Whatever says what is required becomes pins in one spelling; what is not pinned is refused."""

from itertools import permutations

import pytest

from training.declare.requirements import RequirementError, pins_of

SHA = "a" * 64
COMMIT = "b" * 40
WHEEL = "wheel-of @ https://x.org/wheel_of-1.0-py3-none-any.whl"


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("written", "pin"),
    [
        ("torch==2.13.0", "torch==2.13.0"),
        (" Torch == 2.13.0 ", "torch==2.13.0"),
        ("torch===2.13.0", "torch==2.13.0"),
        ("Foo_Bar.baz==1", "foo-bar-baz==1"),
        ("torch==2.13.0+cpu", "torch==2.13.0+cpu"),
        ("a==1!2.0rc1.post1", "a==1!2.0rc1.post1"),
        ("transformers[torch, sentencepiece]==5.0", "transformers[sentencepiece,torch]==5.0"),
        ("a==1;python_version<'3.13'", 'a==1 ; python_version<"3.13"'),
        ("a==1 ; sys_platform  ==  'linux'", 'a==1 ; sys_platform == "linux"'),
        (
            f"a @ https://x.org/a-1-py3-none-any.whl#sha256={SHA}",
            f"a @ https://x.org/a-1-py3-none-any.whl#sha256={SHA}",
        ),
        (f"a @ git+https://x.org/a@{COMMIT}", f"a @ git+https://x.org/a@{COMMIT}"),
    ],
)
def test_a_pin_has_one_spelling(tmp_path, written, pin):
    assert pins_of(tmp_path, [written]) == (pin,)


@pytest.mark.parametrize(
    ("written", "said", "fix"),
    [
        ("torch", "'torch' is not pinned", '"torch=='),
        ("pydantic>=2", "'pydantic>=2' is not pinned", '"pydantic==2.'),
        ("nobody-has-this", "is not pinned", '"nobody-has-this==VERSION"'),
        ("torch==2.*", "is not pinned", '"torch=='),
        ("torch==2.0,<3", "is not pinned", '"torch=='),
        ("torch~=2.0", "is not pinned", '"torch=='),
        ("a @ https://x.org/a.whl", "what is at https://x.org/a.whl may change", "#sha256="),
        ("a @ git+https://x.org/a@main", "may change", "the whole commit"),
        ("./lib", "'./lib' is no requirement", "source="),
        ("a==1==2", "is not pinned", '"a=='),
        ("==1", "is no requirement", "NAME==VERSION"),
        ("", "is no requirement", "NAME==VERSION"),
        ("a b==1", "is no requirement", "NAME==VERSION"),
        ("pyproject.toml", "says what is wanted", "uv.lock"),
    ],
)
def test_what_is_not_pinned_is_refused_with_what_to_write(tmp_path, written, said, fix):
    with pytest.raises(RequirementError) as caught:
        pins_of(tmp_path, [written])
    assert said in caught.value.message
    assert fix in caught.value.fix


def test_the_order_in_which_pins_are_written_changes_nothing(tmp_path):
    pins = ["torch==2.13.0", "numpy==2.1.0", "Pillow==11.0", "numpy==2.1.0"]
    assert {pins_of(tmp_path, each) for each in permutations(pins)} == {
        ("numpy==2.1.0", "pillow==11.0", "torch==2.13.0")
    }


def test_two_versions_of_one_thing_are_refused_unless_conditions_differ(tmp_path):
    with pytest.raises(RequirementError, match="cannot both be installed"):
        pins_of(tmp_path, ["a==1", "A==2"])
    either = ["a==1; python_version < '3.12'", "a==2; python_version >= '3.12'"]
    assert len(pins_of(tmp_path, either)) == 2


REQUIREMENTS = f"""\
# what the training needs
torch==2.13.0  # the newest
Pillow==11.0.0 \\
    --hash=sha256:{SHA} \\
    --hash=sha256:{SHA}
-r more/extra.txt
-c constraints.txt
pydantic[email]
tqdm==4.67 ; python_version < '4'

"""


def test_a_file_may_name_other_files_and_constraints_pin_what_has_no_version(tmp_path, write):
    write("requirements.txt", REQUIREMENTS)
    write("more/extra.txt", "\ufeffscipy==1.15\n--requirement=deeper.txt\n")
    write("more/deeper.txt", "einops==0.8\n")
    write("constraints.txt", "pydantic==2.11.0\nnever-asked==1\n")
    expected = (
        "einops==0.8",
        "pillow==11.0.0",
        "pydantic[email]==2.11.0",
        "scipy==1.15",
        "torch==2.13.0",
        'tqdm==4.67 ; python_version < "4"',
    )
    assert pins_of(tmp_path, "requirements.txt") == expected
    assert pins_of(tmp_path, ["requirements.txt", "extra==1"]) == tuple(
        sorted((*expected, "extra==1"))
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("torch", "'torch' is not pinned"),
        ("-e .", "'-e .' cannot be part of a key"),
        ("--extra-index-url https://download.pytorch.org/whl/cpu", "cannot be part of a key"),
        ("--pre", "'--pre' cannot be part of a key"),
        ("-r nowhere.txt", "there is no nowhere.txt"),
        ("-r requirements.txt", "requirements.txt names itself"),
        ("./wheels/a.whl", "'./wheels/a.whl' is no requirement"),
        ("https://x.org/a.whl", "is no requirement"),
        ("!!", "'!!' is no requirement"),
    ],
)
def test_what_a_file_says_and_nobody_can_understand_is_refused_with_its_line(
    tmp_path, write, line, said
):
    path = write("requirements.txt", f"# first\nnumpy==2.1\n\n{line}\n")
    with pytest.raises(RequirementError) as caught:
        pins_of(tmp_path, "requirements.txt")
    assert caught.value.message.startswith(f"{path}:4: ")
    assert said in caught.value.message
    assert caught.value.fix


def test_a_comment_and_where_a_file_lies_change_nothing(tmp_path, write):
    write("one/requirements.txt", "numpy==2.1\ntorch==2.13.0\n")
    write("two/requirements.txt", "# pins\n torch == 2.13.0 # new\n\nNumPy==2.1\n")
    one, two = (pins_of(tmp_path / name, "requirements.txt") for name in ("one", "two"))
    assert one == two


LOCK = f"""\
version = 1
requires-python = ">=3.11"

[[package]]
name = "job"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [
    {{ name = "torch" }},
    {{ name = "tqdm" }},
    {{ name = "httpx", extra = ["http2"] }},
    {{ name = "gitty" }},
    {{ name = "wheel-of", marker = "python_full_version < '3.13'" }},
]

[package.dev-dependencies]
dev = [{{ name = "pytest" }}]

[[package]]
name = "torch"
version = "2.13.0"
source = {{ registry = "https://pypi.org/simple" }}
dependencies = [
    {{ name = "nvidia-cublas", marker = "sys_platform == 'linux'" }},
    {{ name = "sympy" }},
]

[[package]]
name = "nvidia-cublas"
version = "12.8"
source = {{ registry = "https://pypi.org/simple" }}
dependencies = [{{ name = "only-linux" }}]

[[package]]
name = "only-linux"
version = "1.0"
source = {{ registry = "https://pypi.org/simple" }}

[[package]]
name = "sympy"
version = "1.14"
source = {{ registry = "https://pypi.org/simple" }}
dependencies = [{{ name = "torch" }}]

[[package]]
name = "tqdm"
version = "4.67"
source = {{ registry = "https://pypi.org/simple" }}
dependencies = [{{ name = "colorama", marker = "sys_platform == 'win32'" }}]

[[package]]
name = "colorama"
version = "0.4"
source = {{ registry = "https://pypi.org/simple" }}

[[package]]
name = "httpx"
version = "0.28"
source = {{ registry = "https://pypi.org/simple" }}

[package.optional-dependencies]
http2 = [{{ name = "h2" }}, {{ name = "colorama", marker = "sys_platform == 'emscripten'" }}]

[[package]]
name = "h2"
version = "4.1"
source = {{ registry = "https://pypi.org/simple" }}

[[package]]
name = "gitty"
version = "3.0"
source = {{ git = "https://x.org/gitty?rev=main#{COMMIT}" }}

[[package]]
name = "wheel-of"
version = "1.0"
source = {{ url = "https://x.org/wheel_of-1.0-py3-none-any.whl" }}
wheels = [{{ url = "https://x.org/wheel_of-1.0-py3-none-any.whl", hash = "sha256:{SHA}" }}]

[[package]]
name = "pytest"
version = "9.0"
source = {{ registry = "https://pypi.org/simple" }}
"""


def test_a_lock_gives_all_that_the_project_needs_with_its_conditions(tmp_path, write):
    write("uv.lock", LOCK)
    windows, browser = '(sys_platform == "win32")', '(sys_platform == "emscripten")'
    assert pins_of(tmp_path, "uv.lock") == tuple(
        sorted(
            (
                f"colorama==0.4 ; ({browser}) or ({windows})",
                f"gitty @ git+https://x.org/gitty@{COMMIT}",
                "h2==4.1",
                "httpx==0.28",
                'nvidia-cublas==12.8 ; (sys_platform == "linux")',
                'only-linux==1.0 ; (sys_platform == "linux")',
                "sympy==1.14",
                "torch==2.13.0",
                "tqdm==4.67",
                f'{WHEEL}#sha256={SHA} ; (python_full_version < "3.13")',
            )
        )
    )


def test_pins_of_a_lock_are_read_again_as_they_are(tmp_path, write):
    write("uv.lock", LOCK)
    pins = pins_of(tmp_path, "uv.lock")
    assert pins_of(tmp_path, pins) == pins


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("version = 1", "version = ", "cannot be read"),
        ("[[package]]", "[[other]]", "cannot be read"),
        ('virtual = "."', 'virtual = "lib"', "is of no project that lies beside it"),
        ("https://pypi.org/simple", "https://download.pytorch.org/whl/cpu", "an image does not"),
        (f"sha256:{SHA}", "", "it has no hash"),
        ('name = "h2" }', 'name = "gone" }', "0 versions of it fit"),
        ('source = { virtual = "." }', "", "cannot be read as a lock of uv: KeyError('source')"),
    ],
)
def test_a_lock_that_cannot_be_pinned_is_refused(tmp_path, write, before, after, said):
    path = write("uv.lock", LOCK.replace(before, after))
    with pytest.raises(RequirementError) as caught:
        pins_of(tmp_path, "uv.lock")
    assert caught.value.message.startswith(str(path))
    assert said in caught.value.message


def test_a_package_of_a_lock_that_cannot_be_pinned_is_named_with_its_line(tmp_path, write):
    text = LOCK.replace(
        'name = "h2"\nversion = "4.1"\nsource = { registry = "https://pypi.org/simple" }',
        'name = "h2"\nversion = "4.1"\nsource = { directory = "../h2" }',
    )
    path = write("uv.lock", text)
    line = text[: text.index('name = "h2"\n')].count("\n") + 1
    with pytest.raises(RequirementError) as caught:
        pins_of(tmp_path, "uv.lock")
    assert caught.value.message.startswith(f"{path}:{line}: h2: it comes from ../h2")
