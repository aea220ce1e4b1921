"""What is asked of numbers in more than one chapter."""

import math

import numpy as np
import pytest
import torch

from helpers.inputs import require_count


def test_a_count_comes_back_as_pythons_own():
    for number in (3, np.int8(3), np.uint64(3)):
        found = require_count("K", number)
        assert found == 3 and type(found) is int
    assert require_count("K", 0, least=0) == 0


@pytest.mark.parametrize("number", [0, -1, 2.0, True, "3", None, math.nan, torch.tensor(3)])
def test_what_is_no_count_is_refused(number):
    with pytest.raises(ValueError) as error:
        require_count("samples K", number)
    assert f"{error.value}" == f"needed samples K to be a whole number from 1 on, got {number!r}"
