"""How many threads torch has."""

import pytest
import torch

from sortal.tasks.threads import one_thread


@pytest.fixture
def three():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("wanted", "inside"), [(True, 1), (False, 3)])
def test_it_has_one_where_that_is_wanted_and_as_many_as_before_afterwards(three, wanted, inside):
    with pytest.raises(KeyError), one_thread(wanted):
        assert torch.get_num_threads() == inside
        raise KeyError
    assert torch.get_num_threads() == 3
