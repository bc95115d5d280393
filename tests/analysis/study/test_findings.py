"""What a study shows: differences are within splits, verdicts follow their intervals."""

import numpy as np
import pytest

from tl_strategies.analysis.study.findings import find, interval, paragraph, summarise
from tl_strategies.analysis.study.published import (
    RANDOM_HALVES,
    published,
    published_differences,
)

DEPTHS = range(1, 8)


def rows_like(tables, splits=4, spread=0.05, noise=0.001):
    """Rows whose bases differ a lot between splits, and little from what tables say."""
    rng = np.random.default_rng(0)
    rows = []
    for split in range(splits):
        for direction in ("AB", "BA"):
            shift = rng.normal(0, spread)
            for treatment, values in tables.items():
                for n, value in zip([0] if treatment == "base" else DEPTHS, values, strict=True):
                    score = value + shift + rng.normal(0, noise)
                    rows.append(
                        {
                            "split": f"random{split}",
                            "direction": direction,
                            "treatment": treatment,
                            "n": n,
                            "repeat": 0,
                            "test_accuracy": score,
                        }
                    )
    return rows


@pytest.mark.parametrize(("share", "learnt"), [(0.1, False), (0.12, False), (0.5, True)])
def test_bases_at_chance_show_nothing(share, learnt):
    """Networks that have learnt nothing lose nothing by transfer."""
    rows = rows_like({"base": [share], "AnB": [share] * 7, "BnB": [share] * 7}, spread=0.001)
    summary = summarise(
        [{**row, "chance": 0.1, "test_images": 400} for row in rows], "test_accuracy"
    )
    verdicts = {finding["name"]: finding["verdict"] for finding in summary["findings"]}
    assert verdicts["first layers are general"] == (
        "shows" if learnt else "unclear: base at chance"
    )
    assert ("unclear: base at chance" in paragraph(summary["findings"])) != learnt


def test_the_paper_s_numbers_show_the_paper_s_findings():
    summary = summarise(rows_like(RANDOM_HALVES), "test_accuracy")
    assert {f["name"]: f["verdict"] for f in summary["findings"]} == {
        "first layers are general": "shows",
        "fragile co-adaptation": "shows",
        "specificity grows with depth": "shows",
        "fine-tuning recovers": "shows",
        "transfer and fine-tuning boost": "shows",
    }
    boosts = {row["n"]: row["difference"] for row in summary["boosts"] if row["over"] == "base"}
    assert boosts == {
        "1-7": pytest.approx(0.016, abs=0.002),
        "3-7": pytest.approx(0.018, abs=0.002),
        "5-7": pytest.approx(0.021, abs=0.002),
    }
    for row in summary["means"]:
        assert row["cells"] == 8
        if row["treatment"] != "base":
            expected = RANDOM_HALVES[row["treatment"]][row["n"] - 1] - RANDOM_HALVES["base"][0]
            assert row["difference"] == pytest.approx(expected, abs=0.002)
            assert row["lower"] <= row["difference"] <= row["upper"]
            assert row["upper"] - row["lower"] < 0.005 < row["standard_error"]


def test_the_opposite_does_not_show_and_noise_is_unclear():
    flat = {name: [0.5 + 0.03 * (name == "AnB")] * len(values) for name, values in TABLES.items()}
    verdicts = {f["name"]: f["verdict"] for f in find_in(rows_like(flat))}
    assert verdicts["specificity grows with depth"] == "does not show"
    assert verdicts["first layers are general"] == "shows"
    loud = {f["name"]: f["verdict"] for f in find_in(rows_like(TABLES, splits=2, noise=0.3))}
    assert "unclear" in loud.values()


@pytest.mark.parametrize(("score", "verdict"), [(0.55, "does not show"), (0.4, "shows")])
def test_random_features_are_held_against_the_lowest_of_all_others(score, verdict):
    tables = {"base": [0.6], "AnB": [0.5] * 7, "BnB": [0.6] * 7, "RnB": [score] * 7}
    found = {f["name"]: f for f in find_in(rows_like(tables))}["random features are the worst"]
    assert found["verdict"] == verdict
    assert found["difference"] == pytest.approx(score - 0.5, abs=0.002)


TABLES = RANDOM_HALVES


def find_in(rows):
    return summarise(rows, "test_accuracy")["findings"]


def test_dissimilar_tasks():
    rows = rows_like(published("random"))
    other = rows_like(published("natural_manmade"), splits=1)
    rows += [{**row, "split": "natural_manmade"} for row in other]
    found = {f["name"]: f for f in find_in(rows)}
    gap = found["dissimilar tasks transfer worse"]
    assert gap["verdict"] == "shows"
    words = paragraph([gap])
    assert words.startswith(
        "Dissimilar tasks transfer worse: shows. AnB - base at n = 5-7 is lower"
    )


def test_nothing_is_found_without_its_cells():
    assert find({}) == []
    rows = [row for row in rows_like(TABLES) if row["treatment"] in ("base", "AnB")]
    assert [f["name"] for f in find_in(rows)] == ["first layers are general"]


def test_directions_of_a_split_are_one_observation():
    one = {(f"random{i}", "AB", 0): value for i, value in enumerate((0.0, 1.0, 2.0, 3.0))}
    two = one | {(split, "BA", 0): value for (split, _, _), value in one.items()}
    assert interval(one) == interval(two)
    assert interval(one) == pytest.approx((1.5, 3.182 * (5 / 3) ** 0.5 / 2), rel=1e-3)


def test_intervals_cover_what_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        values = {(f"random{i}", "AB", 0): value for i, value in enumerate(rng.normal(size=4))}
        mean, half = interval(values)
        covered += abs(mean) < half
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


def test_one_split_has_an_interval_over_repeats_alone():
    repeats = {("mine", way, i): float(i) for way in ("AB", "BA") for i in range(3)}
    assert interval(repeats)[1] > 1
    assert interval({("mine", way, 0): 1.0 for way in ("AB", "BA")}) == (1.0, None)
    findings = find_in(rows_like(TABLES, splits=1))
    assert {found["verdict"] for found in findings} == {"unclear"}
    assert "of one split, so without an interval" in paragraph(findings)


def test_published_differences_are_to_the_base_of_the_same_data():
    differences = published_differences("random")
    assert differences["RnB"][0] == pytest.approx(0.4917 - 0.5763)
    assert differences["AnB+"][6] == pytest.approx(0.6465 - 0.6251)
