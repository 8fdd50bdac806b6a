"""GPUs have names and counts, checked before anything is built."""

import pytest

from training.compute.gpu import gpu_names


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("A10G", "A10G"),
        ("H100:8", "H100:8"),
        ("a100-80gb", "A100-80GB"),
        ("H100!", "H100!"),
        ("h100!:2", "H100!:2"),
        ("B200+:2", "B200+:2"),
        ("RTX-PRO-6000", "RTX-PRO-6000"),
        ("A10G:4", "A10G:4"),
        (" T4:1 ", "T4"),
    ],
)
def test_a_known_gpu_has_one_spelling(said, name):
    assert gpu_names(said) == (name,)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("A10X", "there is no GPU 'A10X'; did you mean 'A10'"),
        ("", "'' is no GPU"),
        ("H100:many", "is no GPU"),
        ("H100:", "is no GPU"),
        ("H100:-1", "is no GPU"),
        ("A10G:0", "1 to 4 of A10G"),
        ("A10G:99", "1 to 4 of A10G"),
        ("A10:5", "1 to 4 of A10"),
        ("H200:9", "1 to 8 of H200"),
        ("A100!", "only H100"),
        ("H100!!", "is no GPU"),
    ],
)
def test_an_unknown_gpu_or_too_many_of_one_is_refused(said, why):
    with pytest.raises(ValueError, match=r"GPU|container|only") as caught:
        gpu_names(said)
    assert why in str(caught.value)


def test_several_are_an_order_of_preference_and_none_is_none():
    assert gpu_names(["H100", "a10g", "h100"]) == ("H100", "A10G")
    assert gpu_names(None) == gpu_names([]) == ()
