"""The views that compare methods: right against scipy and scikit-learn on made-up scores."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import permutation_test, spearmanr, ttest_rel
from sklearn.metrics import adjusted_rand_score

from lakes import assignments, images, metrics, run_row
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

SEEDS = 7
PATHS = [f"{i}.png" for i in range(30)]
SCORES = np.random.default_rng(0).uniform(0.3, 0.9, (4, 3, SEEDS))  # seeds, method, seed
SCORES[3, 1] = SCORES[3, 0]  # two methods that never differ
RESAMPLES = SCORES[..., None] + np.random.default_rng(1).normal(0, 0.1, (*SCORES.shape, 40))


def groups(method: int, seed: int) -> list[int]:
    return (np.arange(30) // 10 + (np.random.default_rng(seed).random(30) < 0.1 * method)).tolist()


def parts(row: dict) -> pa.Table:
    """The costs of a run's steps."""
    kinds = ["image_vectors", "partition"]
    return pa.table(
        {
            "run_id": [row["run_id"]] * 2,
            "role": kinds,
            "kind": kinds,
            "fingerprint": kinds,
            "identity": kinds,
            "n_rows": [4, 2],
            "seconds": [2.0, 0.0],
            "cpu_seconds": [3.0, 0.5],
            "peak_mb": [100.0, 50.0],
        }
    )


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Collections of 2, 3, 5 and 7 seeds by three methods, and a run that saw labels."""
    with Lake(Workspace(tmp_path_factory.mktemp("views")).create()) as lake:
        for place, n_seeds in enumerate((2, 3, 5, 7)):
            for method in range(3):
                for seed in range(n_seeds):
                    publish(lake, place, n_seeds, method, seed)
        row = run_row(999, collection="c5", method="m0", random_state=0, labels_used=True)
        lake.publish(row, {"metrics": metrics(row, acc=1.0, nmi=1.0, ari=1.0)})
        yield lake


def publish(lake: Lake, place: int, n_seeds: int, method: int, seed: int) -> None:
    number = 100 * place + 10 * method + seed
    row = run_row(number, collection=f"c{n_seeds}", method=f"m{method}", random_state=seed)
    value = SCORES[place, method, seed]
    figures = {"acc": value, "nmi": value**2, "ari": value / 2, "stability": round(value, 1)}
    lake.publish(
        row,
        {
            "images": images(row, PATHS, [None] * 30),
            "assignments": assignments(row, PATHS, groups(method, seed)),
            "metrics": metrics(row, **figures),
            "resampled": resamples_of(row, RESAMPLES[place, method, seed]),
            "artifacts": parts(row),
        },
    )


def resamples_of(row: dict, values: np.ndarray) -> pa.Table:
    n = len(values)
    columns = {"run_id": [row["run_id"]] * n, "resample": pa.array(range(n), pa.int32())}
    return pa.table({**columns, "name": ["nmi"] * n, "value": values})


def ask(lake: Lake, query: str) -> list[dict]:
    return lake.query(query).to_pylist()


@pytest.mark.parametrize(("place", "n_seeds"), enumerate((2, 3, 5, 7)))
def test_significance_equals_scipys_paired_tests(lake, place, n_seeds):
    question = f"FROM significance WHERE collection = 'c{n_seeds}' AND NOT labels_used"
    lines = ask(lake, question)
    assert len(lines) == 3 * 6
    for line in lines:
        one, other = (
            power(line["metric"], SCORES[place, int(line[name][1]), :n_seeds])
            for name in ("method", "versus")
        )
        assert line["seeds"] == n_seeds
        assert line["difference"] == pytest.approx((one - other).mean(), abs=1e-12)
        if not np.abs(one - other).max():
            assert (line["p"], line["t"], line["p_t"]) == (1, None, None)
            continue
        assert line["sd"] == pytest.approx((one - other).std(ddof=1))
        expected = ttest_rel(one, other)
        assert (line["t"], line["p_t"]) == pytest.approx((expected.statistic, expected.pvalue))
        exact = permutation_test(
            (one, other), lambda a, b, axis: (a - b).mean(axis=axis), permutation_type="samples"
        )
        assert line["p"] == pytest.approx(exact.pvalue)


def test_intervals_are_quantiles_of_paired_differences_on_resampled_images(lake):
    question = "FROM significance WHERE collection = 'c5' AND NOT labels_used"
    for line in ask(lake, question):
        if line["metric"] != "nmi":
            assert (line["low"], line["high"]) == (None, None)
            continue
        one, other = (RESAMPLES[2, int(line[name][1]), :5] for name in ("method", "versus"))
        expected = np.quantile((one - other).mean(axis=0), [0.025, 0.975])
        assert (line["low"], line["high"]) == pytest.approx(tuple(expected))


def power(metric: str, values: np.ndarray) -> np.ndarray:
    return {"acc": values, "nmi": values**2, "ari": values / 2}[metric]


def test_runs_that_saw_labels_are_marked_and_never_on_the_leaderboard(lake):
    assert ask(lake, "FROM leaderboard WHERE acc = 1") == []
    [best] = ask(lake, "FROM ablation WHERE acc = 1")
    assert best["labels_used"]
    marked = ask(lake, "SELECT DISTINCT method, versus FROM significance WHERE labels_used")
    assert {"method": "m0", "versus": "m0"} in marked
    assert all("m0" in line.values() for line in marked)


def test_rank_correlation_equals_scipys_with_ties(lake):
    question = "FROM label_free_rank WHERE name = 'stability' AND collection = 'c7'"
    lines = {line["each"]: line for line in ask(lake, question)}
    values = SCORES[3]
    expected = spearmanr(np.round(values, 1).ravel(), (values**2).ravel()).statistic
    assert (lines["run"]["n"], lines["run"]["spearman"]) == (21, pytest.approx(expected))
    means = np.round(values, 1).mean(axis=1), (values**2).mean(axis=1)
    assert lines["method"]["n"] == 3
    assert lines["method"]["spearman"] == pytest.approx(spearmanr(*means).statistic)


def test_published_figures_stand_beside_ours_of_the_same_encoder_only(tmp_path):
    with Lake(Workspace(tmp_path).create()) as lake:
        places = {"cifar10/test": "open_clip:ViT-B-32-quickgelu/openai", "cifar10": "conse"}
        places |= {"cifar20": "open_clip:ViT-B-32/laion2b_s34b_b79k"}
        for number, (collection, encoder) in enumerate(places.items()):
            row = run_row(number, collection=collection, encoder=encoder, method="tac-free")
            lake.publish(row, {"metrics": metrics(row, acc=0.911, nmi=0.8)})
        lines = ask(lake, "FROM beside_published")
        marks = ask(lake, "SELECT count(*) AS n, count(DISTINCT mark) AS marks FROM published")
    assert [(line["metric"], line["published"], line["mark"]) for line in lines] == [
        ("acc", 0.901, "recall"),
        ("nmi", 0.808, "recall"),
    ]
    assert lines[0]["difference"] == pytest.approx(0.01)
    assert {line["collection"] for line in lines} == {"cifar10/test"}
    assert marks[0]["n"] > 200 and marks[0]["marks"] > 5


def test_label_free_has_a_line_for_each_figure_of_a_labelled_run(lake):
    assert len(ask(lake, "FROM label_free WHERE collection = 'c5'")) == 15


def test_agreement_of_seeds_is_the_mean_of_scikit_learns_ari_over_pairs(lake):
    lines = ask(lake, "FROM seed_agreement WHERE collection = 'c3' ORDER BY method")
    for method, line in enumerate(lines):
        found = [groups(method, seed) for seed in range(3)]
        pairs = [(0, 1), (0, 2), (1, 2)]
        expected = np.mean([adjusted_rand_score(found[a], found[b]) for a, b in pairs])
        assert (line["pairs"], line["ari"]) == (3, pytest.approx(expected))
    assert len(lines) == 3 and lines[0]["ari"] == 1


def test_costs_give_images_a_second_where_a_step_took_time(lake):
    lines = ask(lake, "FROM costs WHERE run_id = 'run-0000' ORDER BY role")
    rates = [(line["role"], line["images_per_second"], line["cpu_seconds"]) for line in lines]
    assert rates == [("image_vectors", 2.0, 3.0), ("partition", None, 0.5)]


def test_seeds_of_other_settings_are_in_no_mean(tmp_path):
    """Three seeds, then two with another setting, then the first of the old ones once more."""
    with Lake(Workspace(tmp_path).create()) as lake:
        old, new = '{"random_state": %d, "gamma": 1}', '{"random_state": %d, "gamma": 2}'
        shown = []
        order = [(old, 0), (old, 1), (old, 2), (new, 0), (new, 1), (old, 0)]
        for number, (config, seed) in enumerate(order):
            row = run_row(number, random_state=seed, config=config % seed)
            lake.publish(row, {"metrics": metrics(row, acc=number / 10, nmi=0.5, ari=0.5)})
            (line,) = ask(lake, "FROM leaderboard")
            shown.append((line["seeds"], round(line["acc"], 3)))
        assert shown == [(1, 0.0), (2, 0.05), (3, 0.1), (1, 0.3), (2, 0.35), (3, 0.267)]


def test_runs_of_other_images_are_in_no_mean_and_no_pair(tmp_path):
    """Two methods with three seeds each; then the collection grows, and one is run again."""
    with Lake(Workspace(tmp_path).create()) as lake:
        old = [("m0", seed, "before", 4) for seed in range(3)]
        old += [("m1", seed, "before", 4) for seed in range(3)]
        new = [("m1", seed, "after", 6) for seed in range(2)]
        for number, (method, seed, scan, n_images) in enumerate(old + new):
            settings = {"method": method, "random_state": seed, "scan": scan, "n_images": n_images}
            row = run_row(number, source=f"{scan}/", **settings)
            lake.publish(row, {"metrics": metrics(row, acc=number / 10, nmi=0.5, ari=0.5)})
            if (method, seed, scan) == ("m1", 2, "before"):
                assert {line["seeds"] for line in ask(lake, "FROM significance")} == {3}
        for view in ("leaderboard", "ablation"):
            lines = ask(lake, f"SELECT method, seeds, round(acc, 2) AS acc FROM {view} ORDER BY 1")
            assert [tuple(line.values()) for line in lines] == [("m0", 3, 0.1), ("m1", 2, 0.65)]
        counts = ask(lake, "SELECT n_images FROM leaderboard ORDER BY method")
        assert [line["n_images"] for line in counts] == [4, 6]
        assert not ask(lake, "FROM significance")


def test_what_seeds_chose_themselves_makes_no_other_row(tmp_path):
    chosen = '{"random_state": %d, "choose": {"folds": 3}, "fusion": {"gamma": %s, "mode": "sum"}}'
    given = '{"random_state": %d, "fusion": {"gamma": %s, "mode": "sum"}}'
    with Lake(Workspace(tmp_path).create()) as lake:
        for number, (method, config) in enumerate([("auto", chosen)] * 2 + [("cae", given)] * 2):
            row = run_row(number, method=method, config=config % (number, 0.1 * (1 + number % 2)))
            lake.publish(row, {"metrics": metrics(row, acc=0.5, nmi=0.5, ari=0.5)})
        lines = ask(lake, "SELECT method, seeds, gamma FROM ablation ORDER BY method, gamma")
    assert [tuple(line.values()) for line in lines] == [
        ("auto", 2, None), ("cae", 1, 0.1), ("cae", 1, 0.2),
    ]  # fmt: skip


def test_only_as_many_clusters_as_classes_stand_beside_published_figures(tmp_path):
    encoder = "open_clip:ViT-B-32/openai"
    with Lake(Workspace(tmp_path).create()) as lake:
        for number, n_clusters in enumerate((10, 20)):
            given = {"collection": "cifar10", "encoder": encoder, "method": "kmeans"}
            row = run_row(number, **given, n_clusters=n_clusters)
            lake.publish(row, {"metrics": metrics(row, acc=0.7 + number / 10, n_classes=10)})
        (line,) = ask(lake, "FROM beside_published")
    assert (line["ours"], line["seeds"], line["metric"]) == (0.7, 1, "acc")
