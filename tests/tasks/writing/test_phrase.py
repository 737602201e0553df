"""Which answers are names, whatever a server says."""

import pytest

from sortal.tasks.writing.phrase import Refusal, name_in


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("sports car", "sports car"),
        ('  "Sports cars."\n', "Sports cars"),
        ("**T-shirt**", "T-shirt"),
        ("Answer: `rock & roll poster`", "rock & roll poster"),
        ("\u201cbirds' nests\u201d", "birds' nests"),
        ("cafe\u0301", "café"),
        ("красные машины", "красные машины"),
        ("1950s dress", "1950s dress"),
    ],
)
def test_a_short_noun_phrase_is_a_name_without_what_is_put_around_it(answer, name):
    assert name_in(answer, 48) == (name, None)


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        ("", Refusal.EMPTY),
        (' "" \n\n', Refusal.EMPTY),
        ("Name: .", Refusal.EMPTY),
        ("a" * 49, Refusal.TOO_LONG),
        ("<p>" * 4000, Refusal.TOO_LONG),
        ("<b>car</b>", Refusal.NOT_A_NAME),
        ("car<script>alert(1)</script>", Refusal.NOT_A_NAME),
        ("cars\nand trucks", Refusal.NOT_A_NAME),
        ("cars\x00", Refusal.NOT_A_NAME),
        ("cars \u202egnp", Refusal.NOT_A_NAME),
        ('{"name": "car"}', Refusal.NOT_A_NAME),
        ("[car](http://x.org)", Refusal.NOT_A_NAME),
        ("car: red", Refusal.NOT_A_NAME),  # how names are told apart
        ("car (vehicle)", Refusal.NOT_A_NAME),
        ("a car that is on a road", Refusal.NOT_A_NAME),
        ("I'm sorry, I can't", Refusal.NOT_A_NAME),
        ("42", Refusal.NOT_A_NAME),
        ("car  red", Refusal.NOT_A_NAME),
        ("🚗", Refusal.NOT_A_NAME),
    ],
)
def test_anything_else_is_refused(answer, refusal):
    assert name_in(answer, 48) == (None, refusal)
