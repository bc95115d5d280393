import pytest

from tl_strategies.search.report import Point, choose, standard_error


def point(n, *accuracies, name="validation_score"):
    return Point(str(n), n, {"n": n}, [{name: value} for value in accuracies])


def test_the_best_mean_is_chosen():
    points = [point(0, 0.7, 0.8), point(3, 0.76, 0.78), point(5, 0.5, 0.9)]
    assert choose(points, 1000, False).n == 3


def test_of_equals_the_largest_n_is_chosen():
    assert choose([point(4, 0.7), point(9, 0.7), point(2, 0.7)], 100, False).n == 9


def test_one_standard_error_rule():
    points = [point(0, 0.80), point(4, 0.775), point(8, 0.74), point(9, 0.5)]
    error = standard_error(points[0], 100)
    assert error == pytest.approx(0.04)
    assert choose(points, 100, True).n == 4
    assert choose(points, 10_000, True).n == 0


def test_the_error_counts_seeds_too():
    one, two = point(1, 0.75), point(1, 0.7, 0.8)
    assert standard_error(two, 100) ** 2 == pytest.approx(standard_error(one, 100) ** 2 + 0.005 / 2)
