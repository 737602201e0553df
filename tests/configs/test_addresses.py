import pytest

from sortal.configs.remote import hide, is_remote, public_url, with_secrets, without_secrets

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://user:s3cr3t@host/a.jpg", "https://host/a.jpg"),
        ("https://s3cr3t@host:8080/a.jpg", "https://host:8080/a.jpg"),
        ("https://host/a.jpg?X-Amz-Algorithm=x&X-Amz-Signature=s3cr3t", "https://host/a.jpg"),
        ("https://host/a.jpg?id=3&token=s3cr3t", "https://host/a.jpg?id=3"),
        ("https://host/a.jpg?sv=2022&se=x&sp=r&sig=s3cr3t", "https://host/a.jpg"),
        ("https://host/a.jpg?Expires=1&Signature=s3cr3t&Key-Pair-Id=2", "https://host/a.jpg"),
        ("https://host/a?access_token=s3cr3t&w=1", "https://host/a?w=1"),
        ("https://host/a?api_key=s3cr3t", "https://host/a"),
        ("HTTPS://host/a?apiKey=s3cr3t", "HTTPS://host/a"),
        ("http://u:s3cr3t@[::1", "[::1"),
        ("s3://KEY:s3cr3t/x+y@bucket/a", "s3://bucket/a"),
        ("urls:https://u:s3cr3t@host/l.csv", "urls:https://host/l.csv"),
    ],
)
def test_what_lets_its_bearer_in_is_taken_out_and_kept(url, public):
    found = without_secrets(url)
    assert found == public and SECRET not in found
    assert with_secrets(found) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://host/a.jpg?id=3&size=large",
        "https://host/a.jpg?expires=never&se=south-east",
        "https://host/a%20b.jpg?q=a%2Bb&q=c",
        "s3://bucket/a:b@c.jpg",
        "s3://bucket/what?.jpg",
        "abfs://container@account.dfs.core.windows.net/a",
        "/home/me/a@b?c.jpg",
        "urls:list.csv",
    ],
)
def test_everything_else_stays_as_it_is(url):
    assert without_secrets(url) == url == with_secrets(url)


def test_urls_inside_a_text_are_hidden_too():
    text = "ConnectError: https://u:s3cr3t@host/x?sig=s3cr3t (and 'https://host/y?token=s3cr3t')"
    assert hide(text) == "ConnectError: https://host/x (and 'https://host/y')"


def test_what_is_remote():
    assert all(map(is_remote, ("s3://b", "https://h/x", "urls:l.csv")))
    assert not any(map(is_remote, ("/a/b", "C:\\x", "vectors:dir", "a:b")))


def test_a_public_url_is_its_own():
    assert public_url(public_url("https://u:p@h/a?token=x&b=1")) == "https://h/a?b=1"
