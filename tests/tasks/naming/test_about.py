"""What is said of names."""

from sortal.tasks.naming.about import unnamed_words


def test_why_kinds_have_no_names_is_said():
    assert unnamed_words(0, 5, has_nouns=True) is None
    assert "1 of 5 kinds is unnamed: no noun is sure" in (unnamed_words(1, 5, has_nouns=True) or "")
    assert unnamed_words(5, 5, has_nouns=False) == (
        "No noun took part, so kinds have numbers and no names"
    )
